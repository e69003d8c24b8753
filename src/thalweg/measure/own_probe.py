"""A user's own probe: a function of a network and of examples."""

from collections.abc import Mapping
from typing import Any

import torch

from thalweg.errors import ThalwegError
from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.figures import Figures
from thalweg.randomness import global_stream
from thalweg.registry import Entry
from thalweg.signatures import signature_options
from thalweg.validation import Options, brief

GIVEN = ("model", "inputs", "targets")


def adopt(reference: str, target: Any) -> Entry[Any]:
    """Return a user's ``(model, inputs, targets, **options)`` → figures by name as a probe.

    It is called once a network with a copy of it, in evaluation mode, and with all of the examples;
    a figure is a number, or a list of numbers.
    """
    options = signature_options("probe", reference, target, GIVEN)
    summary = (target.__doc__ or "").strip().partition("\n")[0]

    def measure(matrix: CurvatureMatrix, options: Options) -> list[Figures]:
        subject = matrix.subject
        inputs, targets = subject.split.batch(subject.index)
        found = []
        for row in range(subject.cohort.rows):
            model = subject.network(row)
            with global_stream(subject.seed, "probe"), torch.enable_grad():
                try:
                    figures = target(model, inputs, targets, **options.model_dump())
                except Exception as error:  # the user's code may fail in any way
                    raise ThalwegError(
                        f"probe {reference!r}: raised {type(error).__name__}: {brief(error)}"
                    ) from error
            found.append(_checked(reference, figures))
        return found

    return Entry(reference, summary, options, measure)


def _checked(reference: str, found: Any) -> Figures:
    """Return figures as plain values.

    Raises:
        ThalwegError: They are not numbers, or lists of numbers, by name.
    """
    wanted = f"probe {reference!r}: must return {{name: number, or list of numbers}}"
    if not isinstance(found, Mapping) or not found:
        raise ThalwegError(f"{wanted}, not {found!r:.80}")
    figures = {}
    for name, value in found.items():
        plain = value.tolist() if hasattr(value, "tolist") else value  # a tensor, an array
        if isinstance(plain, list):
            plain = [one.item() if hasattr(one, "item") else one for one in plain]
        each = plain if isinstance(plain, list) else [plain]
        if not isinstance(name, str) or not all(type(one) in (int, float) for one in each):
            raise ThalwegError(f"{wanted}, not {name!r}: {value!r:.80}")
        figures[name] = plain
    return figures
