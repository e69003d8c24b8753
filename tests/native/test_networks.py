"""The package's models as wholes: every batch size, form of index and input, cohort and thread."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thalweg.models import build_model

MODELS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "lenet5": ("lenet5", {}, (1, 28, 28)),
    "lenet5-tanh": ("lenet5-tanh", {}, (1, 28, 28)),
    "mlp-relu": ("mlp", {"widths": [33, 7]}, (1, 9, 9)),
    "mlp-tanh": ("mlp", {"widths": [12], "activation": "tanh"}, (3, 4, 5)),
    "mlp-sigmoid": ("mlp", {"widths": [5, 5, 5], "activation": "sigmoid"}, (11,)),
    "mlp-gelu": ("mlp", {"widths": [17, 19], "activation": "gelu"}, (1, 6, 6)),
    "rnn-tanh": ("rnn", {"hidden": 24, "layers": 3}, (1, 10, 9)),
    "rnn-relu": ("rnn", {"hidden": 13, "layers": 1, "nonlinearity": "relu"}, (1, 7, 8)),
}
BATCHES = [1, 5, 15, 16, 17, 64, 100, None]
SAMPLES, OUTPUTS = 130, 10
SMALL = [name for name in MODELS if not name.startswith("lenet5")]


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    model, options, shape = MODELS[name]
    return build_model(model, options, shape, OUTPUTS, 4, None), shape


def images(shape: tuple[int, ...], count: int) -> Tensor:
    generator = torch.Generator().manual_seed(8)
    return torch.randint(0, 256, (count, *shape), generator=generator).to(torch.uint8)


def draw(*shape: int, below: int = SAMPLES) -> Tensor:
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(9))


@pytest.fixture
def case(problem: Any, classes: Any) -> Any:
    """Give a function from a model's name to its problem on uint8 images."""

    def make(name: str, samples: int = SAMPLES, **changes: Any) -> Any:
        module, shape = build(name)
        fields = {"scale": 1 / 80, "offset": -1.25, **changes}  # exact in either precision
        return problem(module, images(shape, samples), classes(samples, OUTPUTS), **fields)

    return make


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", MODELS)
def test_batches(name: str, batch: int | None, dtype: torch.dtype, variant: str, case: Any) -> None:
    case(name, index=None if batch is None else draw(batch), rows=1).check(dtype, variant)


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "per row"])
@pytest.mark.parametrize("name", MODELS)
def test_rows(
    name: str, shared: bool, rows: int, dtype: torch.dtype, variant: str, case: Any
) -> None:
    index = draw(17) if shared else draw(rows, 17)
    case(name, index=index, rows=rows).check(dtype, variant)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("name", MODELS)
def test_floating_inputs(
    name: str, loss: str, dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any
) -> None:
    module, shape = build(name)
    targets = classes(37, OUTPUTS) if loss == "cross_entropy" else noise(37, OUTPUTS, seed=5)
    problem(module, noise(37, *shape), targets, loss, index=draw(21, below=37)).check(
        dtype, variant
    )


def same(a: Any, b: Any, row: int | None = None, index: int | None = None) -> bool:
    """Whether two results agree to the bit: as wholes, or a row of one and a row of the other."""
    pairs = [(getattr(a, n), getattr(b, n)) for n in ("outputs", "losses", "gradient", "product")]
    if row is None:
        return all(torch.equal(x, y) for x, y in pairs)
    return all(torch.equal(x[row], y[index]) for x, y in pairs)


@pytest.mark.parametrize("batch", [17, 1000])
@pytest.mark.parametrize("name", MODELS)
def test_threads_change_no_bit(
    name: str, batch: int, dtype: torch.dtype, variant: str, case: Any
) -> None:
    """1000 samples are several segments, summed apart."""
    rows = 1 if batch == 1000 else 5
    made = case(name, index=draw(rows, batch), rows=rows)
    first = made.found(dtype, variant)
    for threads in (2, 5):
        torch.set_num_threads(threads)  # put back by a fixture
        assert same(made.found(dtype, variant), first)


@pytest.mark.parametrize("name", MODELS)
def test_company_changes_no_bit(name: str, dtype: torch.dtype, variant: str, case: Any) -> None:
    made = case(name, index=draw(40), rows=5)
    whole, W, V = made.found(dtype, variant), made.matrix(dtype), made.directions(dtype)
    kernel, samples, index = made.kernel(variant), made.samples, made.batch
    for chosen in (slice(0, 1), slice(1, 3), slice(4, 5), slice(0, 4)):
        G, HV = torch.empty_like(W[chosen]), torch.empty_like(W[chosen])
        losses = kernel.gradient(W[chosen], samples, index, G)
        kernel.product(W[chosen], V[chosen], samples, index, HV)
        assert torch.equal(losses, whole.losses[chosen])
        assert torch.equal(G, whole.gradient[chosen])
        assert torch.equal(HV, whole.product[chosen])
    spread = torch.empty(5, 2 * W.shape[1], dtype=dtype)[:, : W.shape[1]].copy_(W)
    G = torch.empty(5, W.shape[1] + 3, dtype=dtype)[:, 3:]  # rows apart, and not aligned
    losses = kernel.gradient(spread, samples, index.expand(5, -1), G)
    assert torch.equal(losses, whole.losses)
    assert torch.equal(G, whole.gradient)


@pytest.mark.parametrize("name", SMALL)
def test_large_batches(name: str, dtype: torch.dtype, variant: str, case: Any) -> None:
    case(name, samples=1000).check(dtype, variant)
