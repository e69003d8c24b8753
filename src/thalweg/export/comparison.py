"""The dense, the masked and the smaller network side by side."""

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from thalweg.data import Task
from thalweg.export.files import state_bytes
from thalweg.export.trained import Trained, outputs_on_test
from thalweg.sparsity.connectivity import Smaller, connectivity
from thalweg.store.provenance import machine, versions

BATCHES = (1, 1000)
REPEATS = 9
SECONDS = 0.02
"""Length of one timing at least."""


def compare(trained: Trained, smaller: Smaller) -> dict[str, Any]:
    """Measure whether the smaller network says what the masked one does, and what it saves.

    "dense" is the untrained network, whose weights are not zero; PyTorch computes the masked one
    in the same way, zeros and all. Speeds are medians, in examples a second on one thread of the
    CPU; the networks take turns, so that all meet the same machine.

    Args:
        trained: The masked network and its task.
        smaller: What `shrink` made of it.

    Returns:
        Plain values: "agreement" on the whole test split, "networks" by name, "connectivity",
        "machine" and "versions".
    """
    networks = {"dense": trained.initial, "masked": trained.module, "smaller": smaller}
    speeds = {str(batch): _speeds(networks, trained.task, batch) for batch in BATCHES}
    return {
        "agreement": _agreement(trained, smaller),
        "networks": {
            name: {
                **_sizes(module, trained.task.shape),
                "examples_per_second": {batch: found[name] for batch, found in speeds.items()},
            }
            for name, module in networks.items()
        },
        "connectivity": connectivity(trained.module, trained.task.shape).as_dict(),
        "machine": machine(),
        "versions": versions(),
    }


def _agreement(trained: Trained, smaller: nn.Module) -> dict[str, Any]:
    masked, small = (outputs_on_test(each, trained.task) for each in (trained.module, smaller))
    found: dict[str, Any] = {
        "examples": len(masked),
        "largest_difference": (masked - small).abs().max().item(),
    }
    if trained.task.loss == "cross_entropy":
        targets = trained.task.test.targets
        found["equal_predictions"] = int((masked.argmax(1) == small.argmax(1)).sum())
        found["masked_accuracy"] = _accuracy(masked, targets)
        found["smaller_accuracy"] = _accuracy(small, targets)
    return found


def _accuracy(outputs: Tensor, targets: Tensor) -> float:
    return int((outputs.argmax(1) == targets).sum()) / len(targets)


def _sizes(module: nn.Module, shape: tuple[int, ...]) -> dict[str, Any]:
    parameters = list(module.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *shape))
    return {
        "parameters": sum(parameter.numel() for parameter in parameters),
        "nonzero": sum(int(parameter.count_nonzero()) for parameter in parameters),
        "bytes": len(state_bytes(module)),
        "flops": counter.get_total_flops(),
    }


@torch.no_grad()
def _speeds(networks: Mapping[str, nn.Module], task: Task, batch: int) -> dict[str, float]:
    """Return examples a second of each network."""
    inputs, _ = task.test.batch(torch.arange(batch) % len(task.test))
    with _one_thread():
        calls = {name: _calls(module, inputs) for name, module in networks.items()}
        seconds: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(REPEATS):
            for name, module in networks.items():
                seconds[name].append(_seconds(module, inputs, calls[name]) / calls[name])
    return {name: batch / statistics.median(found) for name, found in seconds.items()}


def _calls(module: nn.Module, inputs: Tensor) -> int:
    """Return how many passes take long enough for the clock."""
    module(inputs)  # the first pass is slower than those after it
    return max(1, round(SECONDS / _seconds(module, inputs, 1)))


def _seconds(module: nn.Module, inputs: Tensor, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        module(inputs)
    return time.perf_counter() - start


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
