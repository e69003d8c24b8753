"""What a study asks to be measured of its runs: the ``[[probes]]`` of its file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from thalweg.errors import InputError
from thalweg.measure.curvature.operator import Curvature
from thalweg.measure.probes import check_options
from thalweg.validation import Options, validate


class SampleOptions(Options):
    """What a measurement is taken on; the keys of ``[[probes]]`` that all probes have.

    Attributes:
        examples: So many of the split, drawn without replacement; None for all.
        split: "train", "validation" or "test".
        matrix: Curvature matrix.
        parameters: Shell-style patterns: the block of these parameters; none given, of all.
        masked: Restrict to the weights that a run's mask leaves.
        seed: Of the sample and the solvers.
    """

    examples: int | None = Field(default=None, ge=1)
    split: str = "train"
    matrix: Curvature = "hessian"
    parameters: list[str] = Field(default=[])
    masked: bool = False
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Request:
    """One measurement of every run of a study, at the weights it ended with.

    Attributes:
        label: What its figures go under.
        name: Of the probe.
        sample: What it is taken on.
        options: Of the probe.
    """

    label: str
    name: str
    sample: SampleOptions
    options: Options

    def canonical(self) -> dict[str, Any]:
        """Return all that its figures depend on as plain values."""
        own = self.options.model_dump()
        return {"name": self.name, "sample": self.sample.model_dump(), "options": own}

    @property
    def file(self) -> str:
        """Name of the file of a run that has its figures."""
        text = json.dumps(self.canonical(), sort_keys=True)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"


def parse_requests(tables: Any) -> list[Request]:
    """Read the ``[[probes]]`` of a study.

    Raises:
        InputError: One sentence that names the key, the value and what is allowed.
    """
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        raise InputError(f"probes = {tables!r}: must be tables, [[probes]]")
    found: dict[str, Request] = {}
    for table in tables:
        if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
            raise InputError(f"probes: {table!r} must be a table with a name")
        name = table["name"]
        label = table.get("label", name)
        if not isinstance(label, str):
            raise InputError(f"probes: label = {label!r}: must be a string")
        shared = {key: table[key] for key in SampleOptions.model_fields if key in table}
        own = {k: v for k, v in table.items() if k not in (*shared, "name", "label")}
        path, also = f"probes.{label}", ["name", "label", *SampleOptions.model_fields]
        if label in found:
            raise InputError(f"probes: two are called {label!r}; give one a label of its own")
        options = check_options(name, own, path, also)
        found[label] = Request(label, name, validate(SampleOptions, shared, path), options)
    return list(found.values())
