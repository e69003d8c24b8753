"""Features: how many ReLU units are active, distinct and dead, and the rank of the Jacobian."""

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from thalweg.cohort.autograd import unroll
from thalweg.measure.activations import activations
from thalweg.measure.subject import CHUNK, Subject

RELUS = ("relu",)
"""Nonlinearities whose outputs are the features."""

ALIKE = 0.95
"""Correlation above which one unit is a duplicate of another."""

MOST_UNITS = 4096
"""Units of a layer that are looked at, evenly spread, since each is compared with each."""

RELATIVE_RANK = 1e-4
"""Singular values of at least this share of the largest count for the rank."""


def feature_figures(subject: Subject) -> list[dict[str, float | list[float]]]:
    """Return for every network how sparse its features are over the examples.

    By layer, for every ReLU a network calls:

    - ``active``: share of outputs above 0, over units and examples;
    - ``active_distinct``: the same without dead units and duplicates;
    - ``dead``: share of units that are 0 for every example;
    - ``duplicate``: share of units that correlate with an earlier one by more than 0.95 in size.

    ``feature_sparsity`` and ``feature_sparsity_distinct`` are the first two over all layers, each
    unit counting once. A network without ReLU has no figures but NaN for these. Lower is sparser.

    Source: Andriushchenko et al., arXiv:2210.05337; tml-epfl/sgd-sparse-features.
    """
    inputs, _ = subject.split.batch(subject.index)
    return [_sparsity(_layers(subject, row, inputs)) for row in range(subject.cohort.rows)]


def _layers(subject: Subject, row: int, inputs: Tensor) -> list[Tensor]:
    module = unroll(subject.network(row))
    parts = [activations(module, part, RELUS)[0] for part in inputs.split(CHUNK)]
    return [torch.cat([found for _, found in layer]) for layer in zip(*parts, strict=True)]


def _sparsity(layers: list[Tensor]) -> dict[str, float | list[float]]:
    names = ("active", "active_distinct", "dead", "duplicate")
    by_layer: dict[str, list[float]] = {name: [] for name in names}
    everything, distinct, units, kept_units = 0.0, 0.0, 0, 0
    for layer in layers:
        outputs = layer[:, :: -(-layer.shape[1] // MOST_UNITS)]
        active = (outputs > 0).double().mean(0)  # by unit
        alive = active > 0
        kept = alive.clone()
        kept[alive] = ~_duplicates(outputs[:, alive])
        by_layer["active"].append(float(active.mean()))
        by_layer["active_distinct"].append(float(active[kept].mean()) if kept.any() else 0.0)
        by_layer["dead"].append(float((~alive).double().mean()))
        by_layer["duplicate"].append(float((alive & ~kept).double().mean()))
        everything += float(active.sum())
        distinct += float(active[kept].sum())
        units += len(active)
        kept_units += int(kept.sum())
    return {
        "feature_sparsity": everything / units if units else float("nan"),
        "feature_sparsity_distinct": distinct / kept_units if kept_units else float("nan"),
        **by_layer,
    }


def _duplicates(outputs: Tensor) -> Tensor:
    """Return which columns correlate with one before them that is itself no duplicate."""
    centred = outputs.double() - outputs.double().mean(0)
    unit = centred / centred.norm(dim=0).clamp(min=1e-30)
    alike = (unit.T @ unit).abs() > ALIKE
    alike = alike.tril(-1).cpu()
    found = torch.zeros(outputs.shape[1], dtype=torch.bool)
    for column in alike.any(1).nonzero().flatten().tolist():
        found[column] = bool((alike[column] & ~found).any())
    return found.to(outputs.device)


def jacobian_rank(subject: Subject, row: int, examples: int) -> tuple[int, float]:
    """Return rank and effective rank of the Jacobian of a network's outputs in its weights.

    Row i of J ``(n, D)`` is the gradient of example i's output for its own class (of the first
    output, in a regression). The rank counts singular values σ ≥ 1e-4·σ₁; the effective rank is
    exp of the entropy of σ/Σσ (Roy & Vetterli, EUSIPCO 2007). Both are at most n.

    Args:
        subject: The networks.
        row: Of the network.
        examples: n, at most so many of the subject's, the first of them.
    """
    module = unroll(subject.network(row))
    inputs, targets = subject.split.batch(subject.index[:examples])
    if targets.is_floating_point():
        targets = torch.zeros(len(targets), dtype=torch.int64, device=inputs.device)
    layout = subject.cohort.layout
    weights = layout.views(subject.cohort.W[row])
    buffers = {name: kept[row] for name, kept in subject.cohort.buffers.items()}

    def output(named: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        outputs: Tensor = functional_call(module, {**named, **buffers}, (x.unsqueeze(0),))[0]
        return outputs.gather(0, y.unsqueeze(0))[0]

    rows = vmap(grad(output), in_dims=(None, 0, 0))(weights, inputs, targets)
    J = torch.cat([rows[name].flatten(1) for name in layout.names], 1)
    sizes = torch.linalg.svdvals(J.double() @ J.double().T).sqrt()
    shares = sizes / sizes.sum()
    entropy = -torch.special.xlogy(shares, shares).sum()
    return int((sizes >= RELATIVE_RANK * sizes[0]).sum()), float(entropy.exp())
