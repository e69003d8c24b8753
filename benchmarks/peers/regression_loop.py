"""The peer: a regression network trained for many seeds, one after the other.

1-100-100-1 with tanh, full batch, Adam: 80 points of y = sin(x) + 0.4ε on [−5, 5].
"""

import argparse
import time
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

POINTS = 80


def data() -> tuple[Tensor, Tensor]:
    """Return x and y, each ``(80, 1)``, the same for every seed."""
    x = torch.linspace(-5, 5, POINTS).unsqueeze(1)
    noise = torch.randn(POINTS, 1, generator=torch.Generator().manual_seed(0))
    return x, torch.sin(x) + 0.4 * noise


def train(
    seeds: int, steps: int, rates: Sequence[float] = (0.01,), threads: int | None = None
) -> float:
    """Train one network a seed and learning rate; return the seconds of all together."""
    if threads is not None:
        torch.set_num_threads(threads)
    x, y = data()
    # The first optimizer of a process imports for a second or more; that is not training.
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    start = time.perf_counter()
    for rate, seed in product(rates, range(seeds)):
        torch.manual_seed(seed)
        model = nn.Sequential(
            *[nn.Linear(1, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 1)]
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=1e-4)
        for _ in range(steps):
            optimizer.zero_grad()
            mse_loss(model(x), y).backward()
            optimizer.step()
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    seconds = train(arguments.seeds, arguments.steps)
    print(f"{seconds:.2f} s, {1e3 * seconds / arguments.seeds / arguments.steps:.3f} ms a step")
