"""The peer: rounds of magnitude pruning of a regression network, one seed after the other.

As a script does it: the network of `benchmarks.peers.regression_loop`, dense `torch.optim.Adam`,
the globally smallest weights pruned, the survivors put back to their initial values and trained
again, with the mask applied to the gradient before the step and to the weights after it. The
arithmetic is that of ``sparsity.name = "imp"`` with ``rewind = "init"``.
"""

import argparse
import copy
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmarks.peers.regression_loop import data


def train(seeds: int, steps: int, keep: Sequence[float], threads: int | None = None) -> float:
    """Train and prune one network a seed, in as many rounds as ``keep`` has fractions; return the
    seconds of all together.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    x, y = data()
    # The first optimizer of a process imports for a second or more; that is not training.
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    start = time.perf_counter()
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = nn.Sequential(
            *[nn.Linear(1, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 1)]
        )
        initial = copy.deepcopy(model.state_dict())
        weights = [p for p in model.parameters() if p.ndim == 2]
        masks = [torch.ones_like(w) for w in weights]
        fit(model, weights, masks, x, y, steps)
        for fraction in keep:
            masks = largest(weights, masks, fraction)
            model.load_state_dict(initial)
            fit(model, weights, masks, x, y, steps)
    return time.perf_counter() - start


def fit(
    model: nn.Module,
    weights: Sequence[Tensor],
    masks: Sequence[Tensor],
    x: Tensor,
    y: Tensor,
    steps: int,
) -> None:
    """Train for so many steps on all points; what a mask of zeros covers stays 0."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
    hold(weights, masks)
    for _ in range(steps):
        optimizer.zero_grad()
        mse_loss(model(x), y).backward()
        for weight, mask in zip(weights, masks, strict=True):
            assert weight.grad is not None
            weight.grad *= mask
        optimizer.step()
        hold(weights, masks)


@torch.no_grad()
def hold(weights: Sequence[Tensor], masks: Sequence[Tensor]) -> None:
    for weight, mask in zip(weights, masks, strict=True):
        weight *= mask


@torch.no_grad()
def largest(weights: Sequence[Tensor], masks: Sequence[Tensor], fraction: float) -> list[Tensor]:
    """Return masks of the ⌊fraction · N⌋ largest of |w| among those that are kept so far."""
    # A weight that was pruned before ranks below all others.
    scores = torch.cat(
        [torch.where(m > 0, w.abs(), -1.0).flatten() for w, m in zip(weights, masks, strict=True)]
    )
    found = torch.zeros_like(scores)
    found[scores.topk(int(fraction * len(scores))).indices] = 1
    parts = found.split([w.numel() for w in weights])
    return [part.view_as(w) for part, w in zip(parts, weights, strict=True)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=125)
    arguments = parser.parse_args()
    seconds = train(arguments.seeds, arguments.steps, [1 - r / 10 for r in range(1, 10)])
    print(f"{seconds:.2f} s")
