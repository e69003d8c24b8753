"""How a cohort is to be computed: which backend, how many rows, processes and threads."""

import copy
import os
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call, vmap

from thalweg.cohort.cost import flops_per_example
from thalweg.cohort.layout import Layout, constants, trainable
from thalweg.errors import InputError
from thalweg.native import Chain, Kernel, SampleTensors, Unsupported, available, recognize

STACKING_FLOPS = 20e6
"""On a CPU, rows are stacked while one run's step costs less than this. Below it Python and
dispatch dominate and stacking shares them; above it the arithmetic dominates and a row at a time
keeps its activations in cache. Measured on two AVX2 cores: see docs/performance.md."""

NATIVE_STEP_FLOPS = 400e6
"""The compiled kernels take rows up to this much work a step: a row costs them the same in any
company, and what Python does between two steps is then below a percent."""

MAXIMUM_ROWS = {"cpu": 64, "cuda": 512}
"""More rows gain nothing further on these devices, and cost memory."""

MEMORY_SHARE = 0.25
"""Fraction of the device's memory that weights, gradients and optimizer state may take."""

COPIES = 6
"""Copies of a row held at once: weights, gradient, two of optimizer state, two of temporaries."""

ELSEWHERE_MEMORY = 16e9
"""Taken for that of a GPU on another machine; a cohort that does not fit there is halved."""


@dataclass(frozen=True)
class Traits:
    """What the planner knows of a network.

    Attributes:
        parameters: D.
        flops: Operations of one example's forward and backward pass.
        convolutional: It has a convolution, which is slower stacked than row by row on a CPU.
        stochastic: It draws random numbers when it trains.
        unstackable: Why it cannot be stacked; "" if it can.
        chain: Its layers, where the compiled kernels can run it.
        unchained: Why they cannot; "" if they can.
        changing: It changes its buffers when it trains.
    """

    parameters: int
    flops: float
    convolutional: bool
    stochastic: bool
    unstackable: str
    chain: Chain | None = None
    unchained: str = "it was not looked for"
    changing: bool = False


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
    chain, unchained = (None, reason) if stochastic or changing else _find_chain(module, x)
    return Traits(
        parameters=Layout.of(module).size,
        flops=flops_per_example(module, shape, chain),
        convolutional=any(isinstance(part, nn.modules.conv._ConvNd) for part in module.modules()),
        stochastic=stochastic,
        unstackable=reason,
        chain=chain,
        unchained=unchained,
        changing=changing,
    )


def plan(
    traits: Traits,
    batch_size: int,
    runs: int,
    jobs: int,
    device: torch.device,
    alone: bool,
    backend: str = "auto",
) -> Plan:
    """Decide backend and rows.

    Args:
        traits: Of the network.
        batch_size: Examples a step.
        runs: Runs that could share cohorts.
        jobs: Processes they are spread over.
        device: Where they train.
        alone: The optimizer needs each run to be a cohort of its own.
        backend: "native" or "autograd" where one is asked for; "auto" takes the compiled kernels
            wherever they can run the network.

    Raises:
        InputError: The compiled kernels were asked for and cannot run the network.
    """
    memory = _memory(device) * MEMORY_SHARE / (traits.parameters * 4 * COPIES)
    share = -(-runs // jobs)  # every process gets a cohort
    most = max(1, min(share, MAXIMUM_ROWS[device.type], int(memory / jobs)))
    blocked = traits.unchained if device.type == "cpu" else "they run on the CPU alone"
    if backend == "native" and blocked:
        raise InputError(f"--backend native: the compiled kernels cannot be used: {blocked}")
    if backend != "autograd" and not blocked:
        step = max(traits.flops * batch_size, 1.0)
        rows = 1 if alone else max(1, min(most, int(NATIVE_STEP_FLOPS / step)))
        return Plan("native", rows, "a chain of layers the compiled kernels know")
    if alone:
        return Plan("autograd", 1, "the optimizer evaluates the loss again within a step")
    if traits.unstackable:
        return Plan("autograd", 1, f"cannot be stacked: {traits.unstackable}")
    if device.type == "cpu" and traits.convolutional:
        return Plan("autograd", 1, "convolutions are faster one run at a time on a CPU")
    if device.type == "cpu" and traits.flops * batch_size > STACKING_FLOPS:
        return Plan("autograd", 1, "one run's step fills a core")
    if most == 1:
        return Plan("autograd", 1, "one run a process")
    return Plan("autograd-stacked", most, "small steps share their overhead when stacked")


def available_cores() -> int:
    """Return the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(device: torch.device) -> float:
    if device.type == "cuda" and not torch.cuda.is_available():
        return ELSEWHERE_MEMORY
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


def _find_chain(module: nn.Module, x: torch.Tensor) -> tuple[Chain | None, str]:
    """Return the network as a chain for the compiled kernels, or why it is none.

    What was recognised is put to the test: its outputs and gradient on a few examples must be
    autograd's, in double precision.
    """
    if not available():
        return None, "the compiled kernels were not built"
    layout = Layout.of(module)
    try:
        chain = recognize(module, tuple(x.shape[1:]), layout.slices)
        double = copy.deepcopy(module).double().train()
        outputs = double(x.double())
        targets = torch.zeros_like(outputs)
        loss = outputs.square().mean()
        found = torch.autograd.grad(loss, list(trainable(double).values()), allow_unused=True)
        expected = torch.cat(
            [
                (torch.zeros_like(p) if g is None else g).reshape(-1)
                for g, p in zip(found, trainable(double).values(), strict=True)
            ]
        )
        kernel, samples = Kernel(chain, "mse"), SampleTensors(x.double(), targets)
        W, index = layout.row(double).unsqueeze(0), torch.arange(len(x))
        G = torch.empty_like(W)
        kernel.gradient(W, samples, index, G)
        same = torch.allclose(kernel.outputs(W, samples, index)[0], outputs, 1e-9, 1e-12)
        if not (same and torch.allclose(G[0], expected, 1e-7, 1e-12)):
            return None, "the kernels' gradient is not autograd's on this network"
    except (Unsupported, ValueError) as reason:
        return None, str(reason)
    except Exception as error:  # whatever a stranger's module does in double precision
        return None, f"{type(error).__name__}: {error}".partition("\n")[0][:200]
    return chain, ""
