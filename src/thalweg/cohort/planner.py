"""How a cohort is to be computed: which backend, how many rows, processes and threads."""

import os
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call, vmap

from thalweg.cohort.cost import flops_per_example
from thalweg.cohort.layout import Layout, constants, trainable

STACKING_FLOPS = 20e6
"""On a CPU, rows are stacked while one run's step costs less than this. Below it Python and
dispatch dominate and stacking shares them; above it the arithmetic dominates and a row at a time
keeps its activations in cache. Measured on two AVX2 cores: see docs/performance.md."""

MAXIMUM_ROWS = {"cpu": 64, "cuda": 512}
"""More rows gain nothing further on these devices, and cost memory."""

MEMORY_SHARE = 0.25
"""Fraction of the device's memory that weights, gradients and optimizer state may take."""

COPIES = 6
"""Copies of a row held at once: weights, gradient, two of optimizer state, two of temporaries."""


@dataclass(frozen=True)
class Traits:
    """What the planner knows of a network.

    Attributes:
        parameters: D.
        flops: Operations of one example's forward and backward pass.
        convolutional: It has a convolution, which is slower stacked than row by row on a CPU.
        stochastic: It draws random numbers when it trains.
        unstackable: Why it cannot be stacked; "" if it can.
    """

    parameters: int
    flops: float
    convolutional: bool
    stochastic: bool
    unstackable: str


@dataclass(frozen=True)
class Plan:
    """How the cohorts of one kind are computed.

    Attributes:
        backend: Name of the gradient backend.
        rows: Most runs a cohort.
        reason: Why, in a few words for people.
    """

    backend: str
    rows: int
    reason: str

    @property
    def stacked(self) -> bool:
        return self.backend == "autograd-stacked"


def examine(module: nn.Module, shape: tuple[int, ...]) -> Traits:
    """Find out what the planner must know, by trying the network on four random examples."""
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    x = x.to(next(module.parameters()).dtype)
    stochastic, changing = _training_pass(module, x)
    if stochastic:
        reason = "it draws random numbers as it trains"
    elif changing:
        reason = "it changes its buffers as it trains"
    else:
        reason = _cannot_stack(module, x)
    return Traits(
        parameters=Layout.of(module).size,
        flops=flops_per_example(module, shape),
        convolutional=any(isinstance(part, nn.modules.conv._ConvNd) for part in module.modules()),
        stochastic=stochastic,
        unstackable=reason,
    )


def plan(
    traits: Traits, batch_size: int, runs: int, jobs: int, device: torch.device, alone: bool
) -> Plan:
    """Decide backend and rows.

    Args:
        traits: Of the network.
        batch_size: Examples a step.
        runs: Runs that could share cohorts.
        jobs: Processes they are spread over.
        device: Where they train.
        alone: The optimizer needs each run to be a cohort of its own.
    """
    if alone:
        return Plan("autograd", 1, "the optimizer evaluates the loss again within a step")
    if traits.unstackable:
        return Plan("autograd", 1, f"cannot be stacked: {traits.unstackable}")
    if device.type == "cpu" and traits.convolutional:
        return Plan("autograd", 1, "convolutions are faster one run at a time on a CPU")
    if device.type == "cpu" and traits.flops * batch_size > STACKING_FLOPS:
        return Plan("autograd", 1, "one run's step fills a core")
    memory = _memory(device) * MEMORY_SHARE / (traits.parameters * 4 * COPIES)
    share = -(-runs // jobs)  # every process gets a cohort
    rows = max(1, min(share, MAXIMUM_ROWS[device.type], int(memory / jobs)))
    if rows == 1:
        return Plan("autograd", 1, "one run a process")
    return Plan("autograd-stacked", rows, "small steps share their overhead when stacked")


def available_cores() -> int:
    """Return the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return 4e9


def _training_pass(module: nn.Module, x: torch.Tensor) -> tuple[bool, bool]:
    """Return whether a pass in training mode draws from PyTorch's global generator, and whether
    it changes the module's buffers; they are put back.
    """
    before = {name: value.clone() for name, value in constants(module).items()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        start = torch.random.get_rng_state()
        module.train()(x)
        drew = not torch.equal(start, torch.random.get_rng_state())
    changed = any(not torch.equal(value, before[n]) for n, value in constants(module).items())
    for name, value in constants(module).items():
        value.copy_(before[name])
    return drew, changed


def _cannot_stack(module: nn.Module, x: torch.Tensor) -> str:
    """Return why a network cannot run under ``vmap``, or "" where it can."""
    unrolled = [part for part in module.modules() if hasattr(part, "unrolled")]
    were = [part.unrolled for part in unrolled]
    for part in unrolled:
        setattr(part, "unrolled", True)
    try:
        parameters = {n: torch.stack([p.detach()] * 2) for n, p in trainable(module).items()}
        leaves = {name: value.requires_grad_() for name, value in parameters.items()}
        stacked = {n: torch.stack([value.detach()] * 2) for n, value in constants(module).items()}

        def total(values: dict[str, torch.Tensor]) -> torch.Tensor:
            outputs: torch.Tensor = functional_call(module.train(), values, (x,))
            return outputs.square().sum()

        sums = vmap(total)({**leaves, **stacked})
        torch.autograd.grad(sums.sum(), list(leaves.values()), allow_unused=True)
    except Exception as error:  # whatever a stranger's module does under vmap
        return str(error).strip().partition("\n")[0][:200] or type(error).__name__
    finally:
        for part, was in zip(unrolled, were, strict=True):
            setattr(part, "unrolled", was)
    return ""
