"""What instruments need to be given, and what a look costs."""

from collections.abc import Callable, Sequence

NEEDS: dict[str, tuple[str, ...]] = {
    "loss": ("value",),
    "gradient": (),
    "movement": (),
    "distance": (),
    "turning": (),
    "noise": ("loss", "batch"),
    "alpha": ("loss", "batch", "value"),
    "full_gradient": ("loss", "batch", "train"),
    "edge": ("loss", "batch", "train"),
    "features": ("batch", "train"),
    "classes": ("batch", "validation"),
}
"""Of each instrument."""

TOLD = {
    "value": "watch.batch(..., loss=...) before the step",
    "loss": "loss=, a function of outputs and targets",
    "batch": "watch.batch(inputs, targets) before the step",
    "train": "train=, training examples",
    "validation": "validation=, examples with classes",
}
"""How it is given."""

EDGE_PRODUCTS = 10
"""Products that the largest eigenvalue usually takes."""

Cost = Callable[[int, int, int], float]
"""Batch size, training and validation examples → gradients of a minibatch."""

COSTS: dict[str, Cost] = {
    "noise": lambda B, n, m: 1,
    "alpha": lambda B, n, m: 1,
    "full_gradient": lambda B, n, m: n / B,
    "edge": lambda B, n, m: 2 * EDGE_PRODUCTS * n / B,
    "features": lambda B, n, m: n / B / 3,
    "classes": lambda B, n, m: m / B / 3,
}
"""Of a look by each instrument that is not free."""


def left_out(names: Sequence[str], given: frozenset[str]) -> dict[str, list[str]]:
    """Return the instruments that cannot be read, each with what they lack."""
    lacking = {name: [need for need in NEEDS[name] if need not in given] for name in names}
    return {name: needs for name, needs in lacking.items() if needs}


def sentence(lacking: dict[str, list[str]]) -> str:
    """Return the sentence that says what is left out, and why."""
    by_need: dict[str, list[str]] = {}
    for name, needs in lacking.items():
        by_need.setdefault(" and ".join(TOLD[need] for need in needs), []).append(name)
    told = [f"{', '.join(names)} (need {needs})" for needs, names in by_need.items()]
    return f"instruments left out: {'; '.join(told)}"
