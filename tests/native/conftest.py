"""The compiled kernels against PyTorch's autograd in double precision."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from thalweg.cohort.layout import Layout
from thalweg.native import Kernel, SampleTensors, available, recognize, variants

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Bound on ‖found − expected‖ / ‖expected‖, Euclidean norms of a row's whole vector."""


@pytest.fixture
def kernels() -> None:
    """Skip the test where the library was not built, or fail if THALWEG_REQUIRE_KERNELS=1."""
    if available():
        return
    reason = "the compiled kernels were not built"
    if os.environ.get("THALWEG_REQUIRE_KERNELS") == "1":
        pytest.fail(f"THALWEG_REQUIRE_KERNELS=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(params=variants() or ["none"])
def variant(request: Any, kernels: None) -> str:
    """Each instruction set of the library that this processor can run."""
    name: str = request.param
    return name


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request: Any) -> torch.dtype:
    found: torch.dtype = request.param
    return found


@dataclass(frozen=True)
class Results:
    """What both sides compute, one row a network."""

    outputs: Tensor
    losses: Tensor
    gradient: Tensor
    product: Tensor | None


@dataclass(frozen=True)
class Problem:
    """A network and samples.

    Attributes:
        module: In double precision or single; its weights are the first row.
        inputs: uint8, entering as ``u·scale + offset``, or floating.
        targets: Classes, or real targets for "mse".
        index: ``(B,)`` or ``(K, B)``; None for all samples in order.
        weights: Of each sample in the loss; None for 1/B. Without a Hessian product.
        rows: K; rows after the first have weights perturbed by a third.
    """

    module: nn.Module
    inputs: Tensor
    targets: Tensor
    loss: str = "cross_entropy"
    smoothing: float = 0.0
    scale: float = 1.0
    offset: float = 0.0
    index: Tensor | None = None
    weights: Tensor | None = None
    rows: int = 2

    @property
    def batch(self) -> Tensor:
        return torch.arange(len(self.inputs)) if self.index is None else self.index

    @property
    def layout(self) -> Layout:
        return Layout.of(self.module)

    def matrix(self, dtype: torch.dtype) -> Tensor:
        """Return W ``(K, D)``."""
        row = self.layout.row(self.module).double()
        factors = 1 + noise(self.rows, len(row), seed=1) / 3
        factors[0] = 1
        return (row * factors).to(dtype)

    def directions(self, dtype: torch.dtype) -> Tensor:
        return noise(self.rows, self.layout.size, seed=2).to(dtype)

    def kernel(self, variant: str = "") -> Kernel:
        chain = recognize(self.module, tuple(self.inputs.shape[1:]), self.layout.slices)
        return Kernel(chain, self.loss, self.smoothing, variant)

    @property
    def samples(self) -> SampleTensors:
        return SampleTensors(self.inputs, self.targets, self.scale, self.offset)

    def found(self, dtype: torch.dtype, variant: str = "") -> Results:
        """Compute by the compiled kernels."""
        W, kernel, index = self.matrix(dtype), self.kernel(variant), self.batch
        weights = None if self.weights is None else self.weights.to(dtype)
        G = torch.full_like(W, float("nan"))  # what lies there must not matter
        losses = kernel.gradient(W, self.samples, index, G, weights)
        HV = None
        if weights is None:
            HV = torch.full_like(W, float("nan"))
            again = kernel.product(W, self.directions(dtype), self.samples, index, HV)
            assert close(again, losses, TOLERANCE[dtype])
        return Results(kernel.outputs(W, self.samples, index), losses, G, HV)

    def expected(self, dtype: torch.dtype) -> Results:
        """Compute by autograd in double precision, from the weights that W of ``dtype`` holds."""
        module, layout = self.module.double(), self.layout
        rows = []
        for k, (w, v) in enumerate(zip(self.matrix(dtype), self.directions(dtype), strict=True)):
            index = self.batch if self.batch.ndim == 1 else self.batch[k]
            x, y = self.inputs[index].double() * self.scale + self.offset, self.targets[index]
            leaf = w.double().requires_grad_()
            z = functional_call(module, layout.views(leaf), (x,))
            share = self._shares(len(index), dtype)
            loss = (share * self._losses(z, y)).sum()
            (g,) = torch.autograd.grad(loss, leaf, create_graph=True)
            product = torch.zeros_like(leaf)
            if g.requires_grad:  # else it does not depend on the weights
                (product,) = torch.autograd.grad(g @ v.double(), leaf, materialize_grads=True)
            rows.append([t.detach() for t in (z, loss, g, product)])
        return Results(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _shares(self, batch: int, dtype: torch.dtype) -> Tensor:
        if self.weights is None:
            return torch.full((batch,), 1 / batch, dtype=torch.float64)
        return self.weights.to(dtype).double()

    def _losses(self, z: Tensor, y: Tensor) -> Tensor:
        if self.loss == "mse":
            return (z - y.double()).square().mean(1)
        losses = accurate_cross_entropy(z, y, self.smoothing)
        theirs = cross_entropy(z, y, reduction="none", label_smoothing=self.smoothing)
        assert torch.allclose(losses, theirs, 1e-12, 1e-14)
        return losses

    def check(
        self,
        dtype: torch.dtype,
        variant: str = "",
        tolerance: float | None = None,
        cancellation: float = 1.0,
    ) -> None:
        """Assert that the kernels compute what autograd does.

        Args:
            dtype: Of the kernels.
            variant: Instruction set.
            tolerance: In place of `TOLERANCE`.
            cancellation: Factor on the tolerance of Hessian products, for problems so small that
                a product can cancel to a fraction of its terms.
        """
        tolerated = TOLERANCE[dtype] if tolerance is None else tolerance
        found, expected = self.found(dtype, variant), self.expected(dtype)
        for name in ("outputs", "losses", "gradient", "product"):
            ours, theirs = getattr(found, name), getattr(expected, name)
            if ours is None:
                continue
            bound = tolerated * (cancellation if name == "product" else 1.0)
            for k in range(self.rows):
                assert close(ours[k], theirs[k], bound), (
                    f"{name} of row {k}: relative error {error(ours[k], theirs[k]):.1e}"
                )


def accurate_cross_entropy(z: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Return PyTorch's cross-entropy of each sample, from the distances d to the largest logit:
    log(1 + Σ e^d) − d_y, the sum leaving the largest out.

    PyTorch's own formula cancels where a network is sure: a loss of 1e-5 and its gradient have
    a relative error of 1e-11 in double precision.
    """
    best = z.argmax(1, keepdim=True)
    d = (z - z.gather(1, best)).scatter(1, best, 0.0)
    tail = d.exp().scatter(1, best, 0.0).sum(1)
    target = (1 - smoothing) * d.gather(1, y[:, None]).squeeze(1) + smoothing * d.mean(1)
    return tail.log1p() - target


@pytest.fixture
def problem() -> type[Problem]:
    return Problem


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return normal numbers that single precision holds exactly, as float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32).double()


def classes(count: int, outputs: int, seed: int = 3) -> Tensor:
    return torch.randint(0, outputs, (count,), generator=torch.Generator().manual_seed(seed))


def error(found: Tensor, expected: Tensor) -> float:
    difference = torch.linalg.vector_norm(found.double() - expected.double())
    return (difference / torch.linalg.vector_norm(expected.double())).item()


def close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    difference = torch.linalg.vector_norm(found.double() - expected.double())
    return bool(difference <= tolerance * torch.linalg.vector_norm(expected.double()))


@pytest.fixture(name="noise")
def noise_function() -> Any:
    return noise


@pytest.fixture(name="classes")
def classes_function() -> Any:
    return classes


@pytest.fixture(name="close")
def close_function() -> Any:
    return close


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Let modules draw the same weights in every run, and use one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)
