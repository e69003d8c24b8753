"""How far apart two masks are if the hidden units may be told in any order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.randomness import derive
from thalweg.sparsity.masks import check_alike

STATE = re.compile(r"weight_hh(?=_l\d+(?:_reverse)?$|$)")
"""In the name of a recurrent layer's state weights, where those of its input have ``weight_ih``."""

Links = NDArray[np.bool_]
Floats = NDArray[np.float64]
Order = NDArray[np.int64]


@dataclass(frozen=True)
class Wiring:
    """What the units of a layer read under a mask.

    Attributes:
        sources: Boolean ``(units, sources, entries)``: the entries are those of a kernel, the gates
            of a recurrent layer, the features of a flattened channel.
        states: Likewise of a recurrent layer's own states, ``(units, units, gates)``; else None.
    """

    sources: Links
    states: Links | None


def topology_distance(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Return how far apart two masks are once the second's hidden units stand in the order nearest
    to the first's: the mean over all units i of all layers of the normalised edit distance

        |N(i) Δ N(j)|/|N(i) ∪ N(j)|

    between the set N(i) of what unit i reads and that of the unit j it is matched with; 0 for two
    that read nothing. Layer by layer the units are matched such that the sum is least, what the
    next layer reads is put in the order found, and the outputs keep theirs. As no layer is matched
    with a look at the next, this is an upper bound of the least over all orders, and a loose one
    where the first layer's units read nearly the same.

    The entries of a kernel and the gates of a recurrent layer are neighbours of their own. Of a
    recurrent layer the states stand in the very order that is sought: its units are matched by what
    they read of the layer before, then by this and by the states in the order found, for as long as
    the distance falls.

    Source: Liu et al., ECML PKDD 2020 (arXiv:2006.14085); their outputs are matched too.

    Args:
        first: Boolean tensors by parameter name, of all layers; vectors are not looked at.
        second: Of the same names and shapes.

    Returns:
        From 0, the same but for the order of the hidden units, to 1, nothing shared; NaN where the
        layers are no chain, in which each reads the units of the one before it.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    check_alike(first, second)
    pair = [{name: mask.cpu().numpy() for name, mask in each.items()} for each in (first, second)]
    # Where several matchings are best, one is taken: it shall be the same for (A, B) and (B, A).
    one, other = sorted(pair, key=lambda masks: [masks[name].tobytes() for name in sorted(masks)])
    layers = list(zip(_chain(one), _chain(other), strict=True))
    found: list[Floats] = []
    order: Order | None = None
    for number, (a, b) in enumerate(layers):
        moved = b if order is None else Wiring(b.sources[:, order], b.states)
        units = len(a.sources)
        last = number == len(layers) - 1
        order, distances = _at(a, moved, np.arange(units)) if last else _matched(a, moved)
        found.append(distances)
    return float(np.concatenate(found).mean()) if found else float("nan")


def chance_topology_distance(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], draws: int = 3, seed: int = 0
) -> float:
    """Return the mean `topology_distance` of pairs of masks that keep as many weights of each
    parameter as these, at places drawn uniformly.

    Args:
        first: As for `topology_distance`.
        second: Likewise.
        draws: Pairs.
        seed: Of the draws.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    check_alike(first, second)
    random = np.random.default_rng(derive(seed, "topology"))
    found = [topology_distance(_drawn(first, random), _drawn(second, random)) for _ in range(draws)]
    return float(np.mean(found))


def _drawn(masks: Mapping[str, Tensor], random: np.random.Generator) -> dict[str, Tensor]:
    """Return masks that keep as many; a file may tell the parameters in any order, so these are
    drawn in that of their names, and returned in the file's.
    """
    drawn = {
        name: torch.from_numpy(random.permuted(masks[name].flatten().cpu().numpy()))
        for name in sorted(masks)
    }
    return {name: drawn[name].view(mask.shape) for name, mask in masks.items()}


def _chain(masks: Mapping[str, Links]) -> list[Wiring]:
    """Return the layers in the order in which each reads the units of the one before it; none where
    there is no such order. A file may tell them in another: it is turned until they fit.
    """
    matrices = {name: mask for name, mask in masks.items() if mask.ndim > 1}
    names = [name for name in matrices if not STATE.search(name)]
    states = {STATE.sub("weight_ih", name): name for name in matrices if STATE.search(name)}
    if not {*states} <= {*names}:
        return []
    for first in range(len(names)):
        found = _linked([*names[first:], *names[:first]], matrices, states)
        if found:
            return found
    return []


def _linked(
    names: Sequence[str], matrices: Mapping[str, Links], states: Mapping[str, str]
) -> list[Wiring]:
    found: list[Wiring] = []
    for before, name in zip([None, *names], names, strict=False):
        mask = matrices[name]
        own = matrices[states[name]] if name in states else None
        units = len(mask) if own is None else own.shape[1]
        sources = mask.shape[1]
        if before is not None:
            read = len(found[-1].sources)
            flattened = matrices[before].ndim > 2 and mask.ndim == 2 and sources % read == 0
            if sources != read and not flattened:
                return []
            sources = read
        if len(mask) % units or (own is not None and len(own) != len(mask)):
            return []
        state = None if own is None else _by_unit(own, units, units)
        found.append(Wiring(_by_unit(mask, units, sources), state))
    return found


def _by_unit(mask: Links, units: int, sources: int) -> Links:
    """Return ``(units, sources, entries)``; rows are told gate by gate."""
    gates = mask.reshape(-1, units, sources, mask[0].size // sources)
    return gates.transpose(1, 2, 0, 3).reshape(units, sources, -1)


def _matched(one: Wiring, other: Wiring) -> tuple[Order, Floats]:
    """Return the order of the other's units, and the distance of each unit to its match."""
    from scipy.optimize import linear_sum_assignment  # takes a third of a second to import

    shared, sizes = _compared(one.sources, other.sources)
    order = linear_sum_assignment(_distances(shared, sizes))[1]
    best = _at(one, other, order)
    while one.states is not None and other.states is not None:
        more = _compared(one.states, other.states[:, best[0]])
        order = linear_sum_assignment(_distances(shared + more[0], sizes + more[1]))[1]
        found = _at(one, other, order)
        if found[1].sum() >= best[1].sum():
            break
        best = found
    return best


def _at(one: Wiring, other: Wiring, order: Order) -> tuple[Order, Floats]:
    """Return an order of the other's units, and the distances in it."""
    pairs = [(one.sources, other.sources[order])]
    if one.states is not None and other.states is not None:
        pairs.append((one.states, other.states[order][:, order]))
    changed, either = (
        sum(operation(a, b).sum((1, 2)) for a, b in pairs)
        for operation in (np.logical_xor, np.logical_or)
    )
    return order, np.divide(changed, either, out=np.zeros(len(order)), where=either > 0)


def _compared(one: Links, other: Links) -> tuple[Floats, Floats]:
    """Return how many neighbours each two units share, and how many they have together."""
    a, b = (links.reshape(len(links), -1).astype(np.float32) for links in (one, other))
    shared = (a @ b.T).astype(np.float64)  # counts below 2²⁴ are exact
    return shared, a.sum(1, dtype=np.float64)[:, None] + b.sum(1, dtype=np.float64)


def _distances(shared: Floats, sizes: Floats) -> Floats:
    either = sizes - shared
    found: Floats = np.divide(either - shared, either, out=np.zeros_like(either), where=either > 0)
    return found
