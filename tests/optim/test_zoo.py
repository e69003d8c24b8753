"""What strangers need is read from their signatures; every name of pytorch_optimizer is tried."""

import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.optim.least_squares import EXAMPLES, LeastSquares
from torch import Tensor, nn

from thalweg.cohort import RowOptimizer
from thalweg.cohort.checkpoint import pack, unpack
from thalweg.errors import InputError
from thalweg.optim.registry import (
    OPTIMIZERS,
    bind_optimizer,
    check_optimizer,
    needs_own_cohort,
)
from thalweg.optim.zoo import WRAPPED, needs_of, refusal

STRANGERS = '''
import torch


class SAM(torch.optim.Optimizer):
    """As SAM is usually written: clears the gradients, calls its closure, steps by another."""

    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, {"rho": rho, **kwargs})
        self.base = base_optimizer(self.param_groups, **kwargs)

    @torch.no_grad()
    def step(self, closure=None):
        group = self.param_groups[0]
        old = [p.clone() for p in group["params"]]
        norm = torch.cat([p.grad.flatten() for p in group["params"]]).norm()
        for p in group["params"]:
            p.add_(p.grad * group["rho"] / norm)
        self.zero_grad()
        closure()
        for p, start in zip(group["params"], old):
            p.copy_(start)
        self.base.step()


class Newton(torch.optim.Optimizer):
    """Divides by an estimate of the Hessian's diagonal, made anew every second step."""

    update_period = 2

    def __init__(self, params, lr=1.0):
        super().__init__(params, {"lr": lr, "step": 0})
        self.given = []

    @torch.no_grad()
    def step(self, closure=None, hessian=None):
        self.given.append(hessian)
        group = self.param_groups[0]
        group["step"] += 1
        for i, p in enumerate(group["params"]):
            if hessian is not None:
                self.state[p]["diagonal"] = hessian[i].clone()
            p.sub_(group["lr"] * p.grad / self.state[p]["diagonal"].abs())


class Averaged(torch.optim.Optimizer):
    """SGD that is judged at the mean of its iterates."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr, "count": 0})
        self.training = False

    def eval(self):
        for p in self.param_groups[0]["params"]:
            self.state[p]["kept"] = p.detach().clone()
            p.data.copy_(self.state[p]["sum"] / self.param_groups[0]["count"])
        self.training = False

    def train(self):
        for p in self.param_groups[0]["params"]:
            if "kept" in self.state[p]:
                p.data.copy_(self.state[p].pop("kept") * (1 + 1e-3))  # rounds, and badly
        self.training = True

    @torch.no_grad()
    def step(self, closure=None):
        assert self.training
        self.param_groups[0]["count"] += 1
        for p in self.param_groups[0]["params"]:
            p.sub_(self.param_groups[0]["lr"] * p.grad)
            self.state[p]["sum"] = self.state[p].get("sum", 0) + p


class Matrices(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, adamw_lr=0.01):
        super().__init__(params, {})
        self.told = [(g["use_muon"], [p.ndim for p in g["params"]]) for g in self.param_groups]


class Model(torch.optim.Optimizer):
    def __init__(self, model, lr=0.1):
        super().__init__(model.parameters(), {})
'''


@pytest.fixture(autouse=True)
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strange_zoo.py").write_text(STRANGERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "strange_zoo", raising=False)


def test_an_optimizer_on_a_base_is_given_a_closure_and_gradients_to_read() -> None:
    options = {"base_optimizer": "torch.optim:SGD", "lr": 0.05, "momentum": 0.9, "rho": 0.3}
    check_optimizer("strange_zoo:SAM", options)
    assert needs_own_cohort("strange_zoo:SAM")
    theirs = LeastSquares(1).train("strange_zoo:SAM", [options], 20)[-1]
    ours = LeastSquares(1).train("sam", [{"lr": 0.05, "momentum": 0.9, "rho": 0.3}], 20)[-1]
    torch.testing.assert_close(theirs, ours, rtol=1e-9, atol=1e-12)


def test_the_hessians_diagonal_is_given_where_it_is_due() -> None:
    problem = LeastSquares(2)
    problem.oracle.product = lambda V, active: V * 4.0  # type: ignore[method-assign]
    problem.train("strange_zoo:Newton", [{"lr": 1.0}, {"lr": 2.0}], 0)
    optimizer: Any = problem.bind("strange_zoo:Newton", [{"lr": 1.0}, {"lr": 2.0}])
    for step in range(3):
        problem.oracle.draw(problem.index(step), step)
        start, g = problem.cohort.W.clone(), problem.cohort.G.clone()
        optimizer.step(1.0, problem.oracle)
        wanted = start - torch.tensor([[1.0], [2.0]], dtype=g.dtype) * g / 4
        torch.testing.assert_close(problem.cohort.W, wanted, rtol=1e-12, atol=1e-14)
    for own in optimizer._optimizers:
        assert [hessian is None for hessian in own.given] == [False, True, False]


def test_a_switch_is_turned_for_evaluation_and_back_without_rounding() -> None:
    problem = LeastSquares(2)
    options = [{"lr": 0.1}, {"lr": 0.05}]
    optimizer = problem.bind("strange_zoo:Averaged", options)
    path = []
    for step in range(5):
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(1.0, problem.oracle)
        path.append(problem.cohort.W.clone())
        judged = optimizer.evaluated()
        assert judged is not None
        torch.testing.assert_close(judged, torch.stack(path).mean(0), rtol=1e-12, atol=1e-14)
        assert torch.equal(problem.cohort.W, path[-1])
    wanted = LeastSquares(2).train("sgd", options, 5)[-1]
    torch.testing.assert_close(problem.cohort.W, wanted, rtol=1e-12, atol=1e-14)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))


def test_matrices_are_told_from_vectors() -> None:
    problem = LeastSquares(1, module=network)
    optimizer: Any = problem.bind("strange_zoo:Matrices", [{}])
    assert optimizer._optimizers[0].told == [(True, [2, 2]), (False, [1, 1])]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "Model",
            {},
            "optimizer: strange_zoo:Model needs the network itself, "
            "and a run gives its parameters alone",
        ),
        (
            "SAM",
            {"base_optimizer": "SGD"},
            "optimizer: strange_zoo:SAM(base_optimizer='SGD') was refused: "
            'base_optimizer must name a class as "torch.optim:SGD" does',
        ),
        (
            "SAM",
            {"base_optimizer": "torch:ones"},
            "optimizer: strange_zoo:SAM(base_optimizer='torch:ones') was refused: "
            "base_optimizer = 'torch:ones': must be a subclass of torch.optim.Optimizer",
        ),
        ("SAM", {}, "strange_zoo:SAM: 'base_optimizer' has no default and must be given"),
    ],
)
def test_one_sentence_for_each_refusal(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(f"strange_zoo:{name}", options, "optimizer")
    assert str(caught.value) == sentence


def test_torchs_own_classes_need_what_they_did() -> None:
    assert needs_of(torch.optim.LBFGS) == {"closure"}
    assert needs_of(torch.optim.AdamW) == frozenset()
    assert refusal(torch.optim.AdamW) is None


ZOO: list[str] = []
if find_spec("pytorch_optimizer") is not None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = import_module("pytorch_optimizer")
    ZOO = sorted(
        name
        for name, found in vars(package).items()
        if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    )
GIVEN: dict[str, dict[str, Any]] = {
    "AliG": {"max_lr": 0.1},
    "BSAM": {"num_data": EXAMPLES},
    "Ranger21": {"num_iterations": 30},
    "TRAC": {"s_prev": 1.0},
    "SaRA": {"threshold": 10.0, "lr": 0.01},
}
REFUSED = {
    **dict.fromkeys(["LOMO", "AdaLOMO", "AdamMini", "GSAM", "WSAM"], "needs the network itself"),
    **dict.fromkeys(["Conda", "ScalableShampoo"], "keeps objects of its own in its state"),
    "DistributedMuon": "splits its parameters over processes",
    "PCGrad": "combines the gradients of several losses",
    "SafeFP16Optimizer": "scales the loss of half-precision training",
    "SpectralSphere": "takes networks whose parameters all are matrices",
}
ROUNDING = {"LoRARite": 1e-2}  # it magnifies that of single precision
EXTRAS = {"DeMo"}  # asks for einops, which it does not bring


def options_of(name: str) -> dict[str, Any]:
    options = dict(GIVEN.get(name, {}))
    target = OPTIMIZERS[f"pytorch_optimizer:{name}"].target
    assert isinstance(target, type)
    for key in WRAPPED:
        if key in target.__init__.__code__.co_varnames:
            options |= {key: "torch.optim:SGD", "lr": 0.01}
    return options


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ZOO)
def test_every_name_of_the_zoo_trains_and_resumes_or_says_why_not(
    name: str, tmp_path: Path
) -> None:
    reference = f"pytorch_optimizer:{name}"
    options = options_of(name)
    if name in REFUSED:
        with pytest.raises(InputError) as caught:
            check_optimizer(reference, options, "optimizer")
        assert str(caught.value).startswith(f"optimizer: {reference} {REFUSED[name]}")
        return
    try:
        check_optimizer(reference, options, "optimizer")
    except InputError as error:
        assert name in EXTRAS and "You need to install" in str(error)
        return
    rows = 1 if needs_own_cohort(reference) else 2
    problem = LeastSquares(rows, batch=8, module=network, dtype=torch.float32)
    problem.cohort.W.mul_(0.5)
    start = problem.cohort.W.clone()

    def steps(optimizer: RowOptimizer, numbers: range) -> Tensor:
        torch.manual_seed(numbers.start)  # some draw noise
        for step in numbers:
            problem.oracle.draw(problem.index(step), step)
            optimizer.step(1.0, problem.oracle)
        return problem.cohort.W.clone()

    first = problem.bind(reference, [options] * rows)
    middle = steps(first, range(12))
    assert torch.isfinite(middle).all()
    assert all(not torch.equal(middle[k], start[k]) for k in range(rows))
    judged = first.evaluated()
    assert (judged is not None) == (name == "SPlus" or name.startswith("ScheduleFree"))
    assert judged is None or not torch.equal(judged, middle)
    second = bind_optimizer(reference, problem.cohort, [options] * rows)
    for row in range(rows):
        (tmp_path / "state").write_bytes(pack(first.row_state(row)))
        second.load_row_state(row, unpack(tmp_path / "state"))
    wanted = steps(first, range(12, 15))
    problem.cohort.W.copy_(middle)
    tolerance = ROUNDING.get(name, 1e-5)
    found = steps(second, range(12, 15))
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(not ZOO, reason="the extra zoo is not installed")
def test_the_zoo_is_whole() -> None:
    """Of 139 names 128 train; a new version's names are to be looked at."""
    assert len(ZOO) == 139
    assert set(ZOO) > REFUSED.keys()
