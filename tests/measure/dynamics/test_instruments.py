"""Every figure of the instruments against the definition, written out by PyTorch alone."""

from functools import partial

import pytest
import torch
from tests.measure.dynamics.watched import F64, mlp, small_digits, training_of, watch
from torch import Tensor, nn
from torch.func import functional_call

from thalweg.cohort import Training
from thalweg.data import Split, Task

STEP = 2


def gradients(training: Training, W: Tensor, index: Tensor) -> tuple[float, Tensor]:
    """Return loss and gradient of one network at weights ``(D,)`` over some examples."""
    weights = W.clone().requires_grad_()
    x, y = training.task.train.batch(index)
    views = training.cohort.layout.views(weights)
    outputs = functional_call(training.cohort.module, views, (x,))
    loss = nn.functional.cross_entropy(outputs, y)
    (found,) = torch.autograd.grad(loss, weights)
    return loss.item(), found


@pytest.mark.parametrize("row", [0, 1])
def test_loss_gradient_and_movement(row: int) -> None:
    training = training_of(mlp, "sgd", [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.3, "momentum": 0.9}])
    initial = training.cohort.W.clone()
    seen = watch(training, preset="standard")
    W, index = seen.before[STEP][row], seen.examples(STEP, row)
    look = {name: value[row].item() for name, value in seen.looks[STEP].items()}
    after = [*seen.before, training.cohort.W]
    loss, gradient = gradients(training, W, index)
    update, before = after[STEP + 1][row] - W, W - after[STEP - 1][row]
    assert look["loss"] == pytest.approx(loss, rel=1e-12)
    assert look["gradient_norm"] == pytest.approx(gradient.norm().item(), rel=1e-12)
    assert look["update_ratio"] == pytest.approx((update.norm() / W.norm()).item(), rel=1e-9)
    distance = (after[STEP + 1][row] - initial[row]).norm().item()
    assert look["distance"] == pytest.approx(distance, rel=1e-9)
    cosine = torch.cosine_similarity(update, before, dim=0).item()
    assert look["update_cosine"] == pytest.approx(cosine, rel=1e-7)
    assert seen.looks[0]["update_cosine"].isnan().all()


def test_noise_is_that_of_the_parts_of_a_batch() -> None:
    training = training_of(mlp, options=[{"lr": 0.1}, {"lr": 0.3}], batch_size=22)
    seen = watch(training, instruments=["noise"], groups=4)
    for row in (0, 1):
        W, index = seen.before[1][row], seen.examples(1, row)
        look = {name: value[row].item() for name, value in seen.looks[1].items()}
        b, n = 5, 4  # two examples are left over
        parts = torch.stack([gradients(training, W, index[i * b : i * b + b])[1] for i in range(n)])
        whole = parts.mean(0)
        small, large = parts.square().sum(1).mean().item(), whole.square().sum().item()
        B = b * n
        # The formulas of the two-batch estimator, as they stand in the paper.
        signal = (B * large - b * small) / (B - b)
        noise = (small - large) / (1 / b - 1 / B)
        assert look["signal"] == pytest.approx(signal, rel=1e-9)
        assert look["noise"] == pytest.approx(noise, rel=1e-9)
        expected = noise / signal if signal > 0 else float("nan")
        assert look["noise_scale"] == pytest.approx(expected, rel=1e-9, nan_ok=True)
        unit = parts / parts.norm(dim=1, keepdim=True)
        pairs = [(unit[i] @ unit[j]).item() for i in range(n) for j in range(i)]
        assert look["confusion"] == pytest.approx(-min(pairs), rel=1e-9)
        variance = b * parts.var(0)
        ratio = (whole.square() / variance)[variance > 0].mean().item()
        assert look["gsnr"] == pytest.approx(ratio, rel=1e-9)
        assert look["norm_test"] == pytest.approx((noise / B) ** 0.5 / large**0.5, rel=1e-9)
        inner = b * (parts @ whole).var().item()
        assert look["inner_product_test"] == pytest.approx((inner / B) ** 0.5 / large, rel=1e-9)


def test_the_noise_of_many_parts_is_that_of_the_examples() -> None:
    """Each example a part: tr Σ is then the sum of the variances of the examples' gradients."""
    training = training_of(mlp, batch_size=20)
    seen = watch(training, instruments=["noise"], groups=20)
    index = seen.examples(0, 0)
    own = torch.stack(
        [gradients(training, seen.before[0][0], index[i : i + 1])[1] for i in range(20)]
    )
    assert seen.looks[0]["noise"].item() == pytest.approx(own.var(0).sum().item(), rel=1e-9)


def test_a_batch_of_one_has_no_noise() -> None:
    training = training_of(mlp, task=small_digits(3), batch_size=1)
    seen = watch(training, instruments=["noise", "loss"])
    assert all(look["noise_scale"].isnan().all() for look in seen.looks)
    assert all(look["loss"].isfinite().all() for look in seen.looks)


@pytest.mark.parametrize("lr", [0.01, 0.2])
def test_alpha_of_a_quadratic_is_known(lr: float) -> None:
    """For gradient descent on ½‖Xw − y‖²/N along g: α = η·gᵀHg/‖g‖² − 1."""
    generator = torch.Generator().manual_seed(3)
    X, y = (torch.randn(30, n, generator=generator, dtype=F64) for n in (4, 1))
    split = Split(X, y, dtype=F64)
    task = Task("line", "mse", 1, (), split, None, split)

    def network(seed: int) -> nn.Module:
        module = nn.Linear(4, 1, bias=False).double()
        nn.init.normal_(module.weight, generator=torch.Generator().manual_seed(seed))
        return module

    training = training_of(network, "sgd", [{"lr": lr}], task, 3, None)
    seen = watch(training, instruments=["alpha"])
    H = 2 * X.T @ X / 30
    for w, look in zip(seen.before, seen.looks, strict=True):
        g = H @ w[0] - 2 * X.T @ y[:, 0] / 30
        expected = (lr * g @ H @ g / g.square().sum() - 1).item()
        assert look["alpha"].item() == pytest.approx(expected, rel=1e-6)


def test_clipping_hides_nothing() -> None:
    limits = torch.tensor([[0.05], [1e9]], dtype=F64)
    options = [{"lr": 0.1}, {"lr": 0.1}]
    training = training_of(mlp, options=options, clip_norm=limits)
    seen = watch(training, instruments=["gradient", "alpha"])
    for step in (0, 1):
        for row in (0, 1):
            _, gradient = gradients(training, seen.before[step][row], seen.examples(step, row))
            norm = seen.looks[step]["gradient_norm"][row].item()
            assert norm == pytest.approx(gradient.norm().item(), rel=1e-9)
        assert seen.looks[step]["clipped"].tolist() == [1, 0]
    free = watch(training_of(mlp, options=options), instruments=["gradient", "alpha"])
    assert "clipped" not in free.looks[0]
    # α is about the loss itself, whatever the step was cut to.
    assert free.looks[0]["alpha"][1].item() == pytest.approx(
        seen.looks[0]["alpha"][1].item(), rel=1e-9
    )


def test_a_full_gradient_is_over_the_examples_asked_for() -> None:
    training = training_of(mlp)
    seen = watch(training, instruments=["full_gradient"], examples=60)
    _, gradient = gradients(training, seen.before[1][0], torch.arange(60))
    found = seen.looks[1]["full_gradient_norm"].item()
    assert found == pytest.approx(gradient.norm().item(), rel=1e-9)


def test_masked_weights_have_no_gradient() -> None:
    training = training_of(mlp)
    mask = torch.rand(training.cohort.W.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    training.cohort.set_mask(mask)
    seen = watch(training, instruments=["gradient", "noise", "full_gradient"], examples=60)
    W, index = seen.before[1][0], seen.examples(1, 0)
    own = gradients(training, W, index)[1][mask[0]]
    assert seen.looks[1]["gradient_norm"].item() == pytest.approx(own.norm().item(), rel=1e-9)
    whole = gradients(training, W, torch.arange(60))[1][mask[0]]
    found = seen.looks[1]["full_gradient_norm"].item()
    assert found == pytest.approx(whole.norm().item(), rel=1e-9)
    b = 5
    parts = [gradients(training, W, index[i : i + b])[1][mask[0]] for i in range(0, 20, b)]
    whole = torch.stack(parts).mean(0).square().sum()
    small = torch.stack(parts).square().sum(1).mean()
    noise = ((small - whole) / (1 / b - 1 / 20)).item()
    assert seen.looks[1]["noise"].item() == pytest.approx(noise, rel=1e-9)


def test_classes_are_those_of_the_held_out_examples() -> None:
    training = training_of(partial(mlp, widths=(8,)))
    seen = watch(training, instruments=["classes"])
    x, y = training.task.test.batch(slice(0, len(training.task.test)))
    views = training.cohort.layout.views(seen.before[2][0])
    right = functional_call(training.cohort.module, views, (x,)).argmax(1) == y
    expected = [right[y == c].double().mean().item() for c in range(10)]
    assert seen.looks[2]["class_accuracy"][0].tolist() == pytest.approx(expected)


def test_what_looking_costs_is_counted() -> None:
    free = watch(training_of(mlp), preset="cheap")
    assert free.watcher.gradients == 0
    standard = watch(training_of(mlp), preset="standard")
    assert standard.watcher.gradients == len(standard.looks)
    both = watch(training_of(mlp), instruments=["noise", "alpha"])
    assert both.watcher.gradients == 2 * len(both.looks)
    whole = watch(training_of(mlp), instruments=["full_gradient"], examples=40)
    assert whole.watcher.gradients == 2 * len(whole.looks)  # 40 examples are two batches


def test_a_network_that_changes_as_it_trains_is_left_as_it_is() -> None:
    def network(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)
        ).double()

    with torch.random.fork_rng():
        watched, plain = training_of(network), training_of(network)
    seen = watch(watched, preset="full", examples=30)
    plain.run()
    assert torch.equal(watched.cohort.W, plain.cohort.W)
    for name, kept in plain.cohort.buffers.items():
        assert torch.equal(watched.cohort.buffers[name], kept)
    unknown = [name for name, value in seen.looks[-1].items() if not value.isfinite().any()]
    assert set(unknown) <= {"noise_scale"}  # its signal may be lost in the noise
