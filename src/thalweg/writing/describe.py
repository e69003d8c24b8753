"""What a key means, in the words of the docstring of the options that it belongs to."""

import inspect
import re
from collections.abc import Iterator

from thalweg.validation import Options

TERMS = {
    "lr": "Learning rate: the factor on every step, which a schedule multiplies.",
    "momentum": "Factor on the momentum at each step; 0 is none.",
    "dampening": "Share of the gradient that does not enter the momentum.",
    "nesterov": "Whether to look ahead along the momentum, which takes momentum.",
    "weight_decay": "Factor λ that pulls the weights to 0.",
    "beta1": "Decay rate of the mean of the gradients.",
    "beta2": "Decay rate of the mean of their squares.",
    "eps": "Number ε that keeps a divisor from 0.",
    "rho": "Length ρ of the climb to where the gradient is taken.",
    "c": "Constant c of the condition on the step size.",
    "gain": "Factor on the standard deviation.",
    "direction": "Direction of a line through the weights.",
    "cg_iterations": "The most iterations of conjugate gradients a step.",
    "damping": "Damping λ that is added to the curvature.",
    "line_search": "How a step's length is found.",
    "adjust_lr": "How the learning rate follows from the shape of a matrix.",
    "ns_steps": "Newton-Schulz iterations of a step.",
    "nonlinearity": "The nonlinearity that follows a layer.",
}
"""Terms of the field that options need not explain each time."""

UNITS = {
    "examples": "examples",
    "batch_size": "examples",
    "validation": "examples",
    "jacobian": "examples",
    "compared": "examples",
    "m": "examples",
    "epochs": "epochs",
    "evaluate_every": "epochs",
    "end_epoch": "epochs",
    "start_epoch": "epochs",
    "after_epoch": "epochs",
    "every_epochs": "epochs",
    "warmup_epochs": "epochs",
    "sparse_epochs": "epochs",
    "dense_epochs": "epochs",
    "final_epochs": "epochs",
    "every": "steps",
    "update_every": "steps",
    "inverse_every": "steps",
    "precondition_frequency": "steps",
    "size": "pixels",
    "pixels": "pixels",
    "hidden": "units",
    "widths": "units",
    "layers": "layers",
    "rounds": "rounds",
    "tuning": "runs",
    "trials": "trials",
    "batch": "trials",
    "products": "matrix-vector products",
    "nulls": "graphs",
}
"""What a number counts, by the name of its key."""

_SENTENCE_END = re.compile(r"(?<=[.;])\s+(?=[A-Z`α-ωΑ-Ω])")


def describe(options: type[Options], field: str) -> str:
    """Return what a field of some options means.

    The docstrings of the class and of those it is derived from are asked in turn: for the field's
    entry under ``Attributes:``, or else for the sentences that name it between double backquotes,
    which stand behind what `TERMS` says.

    Raises:
        LookupError: Nothing says it.
    """
    term = TERMS.get(field, "")
    for text in _docstrings(options):
        if found := _attribute(text, field):
            return found
        if found := _sentences(text, field):
            return f"{term} {found}".strip()
    if term:
        return term
    raise LookupError(f"{options.__name__}.{field}: is explained nowhere")


def plain(text: str) -> str:
    """Return a docstring's text as a reader wants it: in one line, without its marks of code."""
    return re.sub(r"``?([^`]+)``?", r"\1", " ".join(text.split()))


def _docstrings(options: type[Options]) -> Iterator[str]:
    for kind in options.__mro__:
        if kind is not Options and issubclass(kind, Options):
            yield inspect.cleandoc(kind.__dict__.get("__doc__") or "")


def _attribute(text: str, field: str) -> str:
    """Return a field's entry under ``Attributes:``, "" if it has none."""
    match = re.search(rf"^    {field}: (.*(?:\n      +.*)*)", text, re.MULTILINE)
    return plain(match[1]) if match else ""


def _sentences(text: str, field: str) -> str:
    """Return the sentences, or parts of one between semicolons, that name a field."""
    prose = " ".join(text.partition("Attributes:")[0].split())
    named = [part for part in _SENTENCE_END.split(prose) if f"``{field}``" in part]
    joined = " ".join(_capital(part) for part in named).rstrip(";")
    return plain(joined if joined.endswith(".") or not joined else f"{joined}.")


def _capital(part: str) -> str:
    """Return a part of a sentence as a whole one: without "``field``:" before what it is."""
    match = re.fullmatch(r"``\w+``: (.*?);?", part)
    return match[1][0].upper() + match[1][1:] if match else part
