"""Every rule against an implementation that is not ours, over 50 steps in float64."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.oracles import silent
from torch import Tensor, nn

import thalweg as tw
from thalweg.cohort import Cohort
from thalweg.errors import InputError
from thalweg.optim import OPTIMIZERS
from thalweg.optim.method import Method
from thalweg.optim.registry import bind_optimizer
from thalweg.optim.rule import Rule

STEPS = 50
SHAPES = ((3, 4), (3,), (2, 3), (2,))

SGD = [
    {"lr": 0.05},
    {"lr": 0.05, "weight_decay": 0.1},
    {"lr": 0.05, "momentum": 0.9},
    {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
    {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    {"lr": 0.05, "momentum": 0.8, "dampening": 0.1, "weight_decay": 0.1},
    {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
]
ADAM = [
    {},
    {"lr": 0.02},
    {"lr": 0.02, "beta1": 0.8, "beta2": 0.95},
    {"lr": 0.02, "eps": 1e-3},
    {"lr": 0.02, "weight_decay": 0.1},
    {"lr": 0.02, "beta1": 0.0, "weight_decay": 0.0},
]
CASES = [
    *(("sgd", options) for options in SGD),
    *(("adam", options) for options in ADAM),
    *(("adamw", options) for options in ADAM),
]
OURS = {"sgd": tw.optim.SGD, "adam": tw.optim.Adam, "adamw": tw.optim.AdamW}
THEIRS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def in_torchs_words(options: dict[str, Any]) -> dict[str, Any]:
    words = dict(options)
    if "beta1" in words or "beta2" in words:
        words["betas"] = (words.pop("beta1", 0.9), words.pop("beta2", 0.999))
    return words


class Net(nn.Module):
    """Parameters of several shapes, and a loss that couples them all."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterList(
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES
        )

    def loss(self, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(1000 + step)
        x = torch.randn(5, 4, generator=generator, dtype=torch.float64)
        W1, b1, W2, b2 = self.weights
        return ((x @ W1.T + b1).tanh() @ W2.T + b2 - 0.3).square().mean()

    def row(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.parameters()])


Step = Callable[[Net, int], None]


def trained(make: Callable[[Net], torch.optim.Optimizer], seed: int = 0) -> Tensor:
    net = Net(seed)
    optimizer = make(net)
    for step in range(STEPS):
        optimizer.zero_grad()
        net.loss(step).backward()
        optimizer.step()
    return net.row()


def reference(name: str, options: dict[str, Any], seed: int = 0) -> Tensor:
    words = in_torchs_words(options)
    return trained(lambda net: THEIRS[name](net.parameters(), foreach=False, **words), seed)


def on_a_cohort(name: str, options: list[dict[str, Any]]) -> Tensor:
    """Train one row a set of options, row k from seed k."""
    nets = [Net(seed) for seed in range(len(options))]
    cohort = Cohort(nets, range(len(nets)), dtype=torch.float64)
    optimizer = bind_optimizer(name, cohort, options)
    for step in range(STEPS):
        for k, net in enumerate(nets):
            with torch.no_grad():
                for parameter, view in zip(
                    net.parameters(), cohort.layout.views(cohort.W[k]).values(), strict=True
                ):
                    parameter.copy_(view)
            net.zero_grad()
            net.loss(step).backward()
            cohort.G[k] = torch.cat([p.grad.flatten() for p in net.parameters()])
        optimizer.step(1.0, silent(cohort))
    return cohort.W


def name_of(value: object) -> str:
    return ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize(("name", "options"), CASES, ids=name_of)
def test_as_a_torch_optimizer(name: str, options: dict[str, Any]) -> None:
    found = trained(lambda net: OURS[name](net.parameters(), **options))
    torch.testing.assert_close(found, reference(name, options), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "options"), CASES, ids=name_of)
def test_on_a_cohort_with_shared_numbers(name: str, options: dict[str, Any]) -> None:
    found = on_a_cohort(name, [options, options])
    for k in range(2):
        torch.testing.assert_close(found[k], reference(name, options, k), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["sgd", "sgd nesterov", "sgd plain", "adam", "adamw"])
def test_on_a_cohort_with_columns(name: str) -> None:
    name, _, kind = name.partition(" ")
    if name == "sgd":
        kinds = {
            "": lambda o: o.get("momentum") and not o.get("nesterov"),
            "nesterov": lambda o: o.get("nesterov"),
            "plain": lambda o: not o.get("momentum"),
        }
        options = [o for o in SGD if kinds[kind](o)]
        options = [{**o, "lr": o["lr"] * (1 + k)} for k, o in enumerate(options)]
    else:
        options = [o for o in ADAM if not {"beta1", "beta2"} & o.keys()]
    assert len(options) >= 2
    found = on_a_cohort(name, options)
    for k, own in enumerate(options):
        torch.testing.assert_close(found[k], reference(name, own, k), rtol=1e-11, atol=1e-13)


def exponentiated(
    options: dict[str, Any], seed: int, freeze: Callable[[np.ndarray], None]
) -> np.ndarray:
    """d = g + λ·sign(w); buf = μ·buf + (1−dampening)·d, at first buf = d; d ← d + μ·buf if
    Nesterov else buf; w ← w·exp(−η·sign(w)·d). In NumPy, from the published rule.
    """
    net = Net(seed)
    w = net.row().numpy().copy()
    freeze(w)
    mu, dampening = options.get("momentum", 0.0), options.get("dampening", 0.0)
    buffer: np.ndarray | None = None
    for step in range(STEPS):
        start = 0
        with torch.no_grad():
            for parameter in net.parameters():
                piece = w[start : start + parameter.numel()]
                parameter.copy_(torch.from_numpy(piece.reshape(tuple(parameter.shape))))
                start += parameter.numel()
        net.zero_grad()
        net.loss(step).backward()
        g = np.concatenate([p.grad.numpy().ravel() for p in net.parameters()])
        d = g + options.get("weight_decay", 0.0) * np.sign(w)
        if mu > 0:
            buffer = d.copy() if buffer is None else mu * buffer + (1 - dampening) * d
            d = d + mu * buffer if options.get("nesterov") else buffer
        w = w * np.exp(-options["lr"] * np.sign(w) * d)
    return w


EG = [{**options, "lr": 0.5} for options in SGD]


@pytest.mark.parametrize("options", EG, ids=name_of)
def test_exponentiated_gradient(options: dict[str, Any]) -> None:
    wanted = torch.from_numpy(exponentiated(options, 0, lambda w: None))
    found = trained(lambda net: tw.optim.SGDEG(net.parameters(), **options))
    torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-14)
    assert torch.equal(found.sign(), Net(0).row().sign())
    assert not torch.allclose(found, Net(0).row())
    rows = on_a_cohort("sgd_eg", [options, options])
    torch.testing.assert_close(rows[0], wanted, rtol=1e-11, atol=1e-14)
    other = torch.from_numpy(exponentiated(options, 1, lambda w: None))
    torch.testing.assert_close(rows[1], other, rtol=1e-11, atol=1e-14)


def test_without_momentum_weight_decay_is_a_factor() -> None:
    parameter = nn.Parameter(torch.tensor([0.5, -2.0], dtype=torch.float64))
    optimizer = tw.optim.SGDEG([parameter], lr=0.3, weight_decay=0.2)
    parameter.grad = torch.zeros(2, dtype=torch.float64)
    optimizer.step()
    wanted = torch.tensor([0.5, -2.0], dtype=torch.float64) * np.exp(-0.3 * 0.2)
    torch.testing.assert_close(parameter.detach(), wanted, rtol=1e-14, atol=0)


def zero_some(w: Any) -> None:
    w[[1, 14]] = 0.0


@pytest.mark.parametrize("options", EG, ids=name_of)
def test_exact_zeros_are_frozen_with_a_warning(options: dict[str, Any]) -> None:
    def make(net: Net) -> torch.optim.Optimizer:
        with torch.no_grad():
            net.weights[0].view(-1)[1] = 0.0
            net.weights[1][2] = 0.0
        with pytest.warns(UserWarning) as caught:
            optimizer = tw.optim.SGDEG(net.parameters(), **options)
        assert [str(warning.message) for warning in caught] == [
            "sgd_eg multiplies weights, so the 2 that start at exactly 0 will never move; "
            "start them elsewhere, for instance by the lognormal init, or give split_bias"
        ]
        assert caught[0].filename == __file__
        return optimizer

    found = trained(make)
    torch.testing.assert_close(
        found, torch.from_numpy(exponentiated(options, 0, zero_some)), rtol=1e-11, atol=1e-14
    )
    assert (found == 0).nonzero().flatten().tolist() == [1, 14]


def test_no_other_rule_warns_of_zeros() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for optimizer in OURS.values():
            optimizer([nn.Parameter(torch.zeros(3))], lr=0.1)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_parameter_groups(name: str) -> None:
    def grouped(factory: Any, net: Net, **defaults: Any) -> torch.optim.Optimizer:
        W1, b1, W2, b2 = net.weights
        optimizer = factory(
            [{"params": [W1, W2], "weight_decay": 0.1}, {"params": [b1], "lr": 0.01}], **defaults
        )
        optimizer.add_param_group({"params": [b2], "lr": 0.03})
        return optimizer

    found = trained(lambda net: grouped(OURS[name], net, lr=0.05))
    wanted = trained(lambda net: grouped(THEIRS[name], net, lr=0.05, foreach=False))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


def test_a_group_is_checked_too() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    with pytest.raises(InputError, match=r"^sgd\.lr = -1: must be greater than 0$"):
        tw.optim.SGD([{"params": [first], "lr": -1}], lr=0.1)
    optimizer = tw.optim.SGD([first], lr=0.1)
    with pytest.raises(InputError, match=r"^sgd: nesterov = true needs momentum above 0"):
        optimizer.add_param_group({"params": [second], "nesterov": True})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_torchs_schedulers_drive_our_classes(name: str) -> None:
    def run(factory: Any, **more: Any) -> Tensor:
        net = Net(0)
        optimizer = factory(net.parameters(), lr=0.05, **more)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        for step in range(STEPS):
            loss = optimizer.step(lambda net=net, step=step: backward(net, step))
            assert loss.item() == net.last_loss
            scheduler.step()
        return net.row()

    def backward(net: Net, step: int) -> Tensor:
        net.zero_grad()
        loss = net.loss(step)
        loss.backward()
        net.last_loss = loss.item()
        return loss

    found, wanted = run(OURS[name]), run(THEIRS[name], foreach=False)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("optimizer", [*OURS.values(), tw.optim.SGDEG])
def test_a_state_dict_resumes_to_the_bit(optimizer: Any) -> None:
    options = {"lr": 0.05} | ({"momentum": 0.9} if "SGD" in optimizer.__name__ else {})
    whole = trained(lambda net: optimizer(net.parameters(), **options))
    net = Net(0)
    first = optimizer(net.parameters(), **options)
    for step in range(STEPS):
        if step == 20:
            state = first.state_dict()
            first = optimizer(net.parameters(), **{**options, "lr": 1.0})
            first.load_state_dict(state)
        first.zero_grad()
        net.loss(step).backward()
        first.step()
    assert torch.equal(net.row(), whole)


def test_parameters_without_a_gradient_are_left_alone() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = tw.optim.AdamW([used, unused], lr=0.1)
    used.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(unused.detach(), torch.ones(2))
    assert not torch.equal(used.detach(), torch.ones(2))


WRONG = [
    ("sgd", {"lr": 0}, "sgd.lr = 0: must be greater than 0"),
    ("sgd", {"lr": -0.1}, "sgd.lr = -0.1: must be greater than 0"),
    ("sgd", {"lr": "fast"}, "sgd.lr = 'fast': must be a number"),
    ("sgd", {"lr": True}, "sgd.lr = True: must be a number"),
    ("sgd", {"lr": float("nan")}, "sgd.lr = nan: must be a finite number"),
    ("sgd", {"lr": float("inf")}, "sgd.lr = inf: must be a finite number"),
    ("sgd", {}, "sgd.lr: is missing and has no default"),
    ("sgd", {"lr": 0.1, "momentum": -1}, "sgd.momentum = -1: must be at least 0"),
    ("sgd", {"lr": 0.1, "dampening": 2}, "sgd.dampening = 2: must be at most 1"),
    ("sgd", {"lr": 0.1, "weight_decay": -1}, "sgd.weight_decay = -1: must be at least 0"),
    ("sgd", {"lr": 0.1, "nesterov": 1}, "sgd.nesterov = 1: must be true or false"),
    (
        "sgd",
        {"lr": 0.1, "nesterov": True},
        "sgd: nesterov = true needs momentum above 0 and dampening = 0",
    ),
    (
        "sgd",
        {"lr": 0.1, "momentun": 0.9},
        "sgd: unknown key 'momentun'; did you mean 'momentum'? "
        "(allowed: lr, momentum, dampening, nesterov, weight_decay)",
    ),
    ("sgd_eg", {"lr": -0.1}, "sgd_eg.lr = -0.1: must be greater than 0"),
    ("adam", {"beta1": 1}, "adam.beta1 = 1: must be less than 1"),
    ("adam", {"beta2": -0.5}, "adam.beta2 = -0.5: must be at least 0"),
    ("adam", {"eps": -1e-8}, "adam.eps = -1e-08: must be at least 0"),
    (
        "adamw",
        {"betas": (0.9, 0.99)},
        "adamw: unknown key 'betas'; did you mean 'beta2'? "
        "(allowed: lr, beta1, beta2, eps, weight_decay)",
    ),
]


@pytest.mark.parametrize(("name", "options", "sentence"), WRONG)
def test_wrong_hyperparameters_are_refused_by_name(
    name: str, options: dict[str, Any], sentence: str
) -> None:
    factory = {**OURS, "sgd_eg": tw.optim.SGDEG}[name]
    with pytest.raises(InputError) as caught:
        factory([nn.Parameter(torch.ones(2))], **options)
    assert str(caught.value) == sentence
    assert isinstance(caught.value, ValueError)


def test_every_rule_says_what_it_is() -> None:
    for entry in OPTIMIZERS:
        rule = entry.target
        assert isinstance(rule, Rule | Method)
        assert rule.name == entry.name
        assert rule.summary
        assert rule.family
        assert rule.source
        assert rule.__doc__
