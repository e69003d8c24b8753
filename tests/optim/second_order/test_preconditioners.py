"""Muon, Shampoo and SOAP against PyTorch's Muon and the published rules written out plainly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.oracles import silent
from tests.optim.plainly import (
    Array,
    LeastSquares,
    Schedule,
    Update,
    agree,
    constant,
    decaying,
    trained_as_rows,
    trained_plainly,
)
from torch import Tensor, nn

import thalweg as tw
import thalweg.optim.registry as registry
from thalweg.cohort import Cohort
from thalweg.errors import InputError
from thalweg.optim.second_order.matrices import complete_basis
from thalweg.optim.second_order.muon import orthogonalized

NAMES = ("muon", "shampoo", "soap")


def draws(*shape: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def plain_adamw(o: dict[str, Any]) -> Update:
    m: Any = 0.0
    v: Any = 0.0

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal m, v
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        new: Array = (1 - lr * o.get("weight_decay", 0.1)) * w - lr * step
        return new

    return update


def plain_muon(o: dict[str, Any]) -> Callable[[], Update]:
    """PyTorch's class on the matrices, in double precision, and AdamW on the vectors."""

    def make() -> Update:
        on_vectors = plain_adamw(o)
        theirs: list[tuple[nn.Parameter, torch.optim.Optimizer]] = []

        def update(w: Array, g: Array, lr: float, t: int) -> Array:
            if w.ndim == 1:
                return on_vectors(w, g, lr, t)
            if not theirs:
                parameter = nn.Parameter(torch.from_numpy(w))
                words = {"adjust_lr_fn": "match_rms_adamw", **o}
                theirs.append((parameter, torch.optim.Muon([parameter], **words)))
            parameter, optimizer = theirs[0]
            parameter.grad = torch.from_numpy(g)
            optimizer.param_groups[0]["lr"] = lr
            optimizer.step()
            return parameter.detach().numpy().copy()

        return update

    return make


def plain_shampoo(o: dict[str, Any]) -> Callable[[], Update]:
    """Gupta et al., algorithm 1; Adagrad on the vectors."""
    eps, frequency = o.get("eps", 1e-4), o.get("precondition_frequency", 10)

    def make() -> Update:
        L: Any = 0.0
        R: Any = 0.0
        v: Any = 0.0
        momentum: Any = 0.0
        roots: list[Array] = []

        def root(A: Array) -> Array:
            found: Array = np.linalg.inv(A + eps * np.eye(len(A)))
            for _ in range(2):  # two square roots
                values, vectors = np.linalg.eigh(found)
                found = vectors * np.sqrt(values) @ vectors.T
            return found

        def update(w: Array, g: Array, lr: float, t: int) -> Array:
            nonlocal L, R, v, momentum, roots
            g = g + o.get("weight_decay", 0.0) * w
            momentum = o.get("momentum", 0.9) * momentum + g
            if w.ndim == 1:
                v = v + g * g
                w = w - lr * momentum / np.sqrt(v + eps)
                return w
            L, R = L + g @ g.T, R + g.T @ g
            if t <= frequency or t % frequency == 0:
                roots = [root(L), root(R)]
            w = w - lr * roots[0] @ momentum @ roots[1]
            return w

        return update

    return make


def plain_soap(o: dict[str, Any]) -> Callable[[], Update]:
    """The authors' code, its power iteration shifted: m is kept in the parameter's own basis."""
    b1, b2, eps = o.get("beta1", 0.95), o.get("beta2", 0.95), o.get("eps", 1e-8)
    frequency, largest = o.get("precondition_frequency", 10), o.get("max_precond_dim", 10000)

    def make() -> Update:
        m: Any = 0.0
        v: Any = 0.0
        GG: list[Array] = []
        Q: list[Array] = []

        def both(x: Array, left: Array, right: Array) -> Array:
            return left @ x @ right

        def update(w: Array, g: Array, lr: float, t: int) -> Array:
            nonlocal m, v, GG, Q
            s = t - 1
            matrix = w.ndim == 2
            if s:
                m = b1 * m + (1 - b1) * g
                inside, average = g, m
                if matrix:
                    inside, average = (both(x, Q[0].T, Q[1]) for x in (g, m))
                v = b2 * v + (1 - b2) * inside**2
                step = average / (np.sqrt(v) + eps)
                if matrix:
                    step = both(step, Q[0], Q[1].T)
                w = w - lr * np.sqrt(1 - b2**s) / (1 - b1**s) * step
                w = w - lr * o.get("weight_decay", 0.01) * w
            if not matrix:
                return w
            if not s:
                GG = [np.zeros((n, n)) for n in w.shape]
                v = np.zeros_like(w)
            GG = [b2 * A + (1 - b2) * B for A, B in zip(GG, (g @ g.T, g.T @ g), strict=True)]
            if not s:
                Q = [np.linalg.eigh(A)[1][:, ::-1] for A in GG]
                Q = [x if len(x) <= largest else np.eye(len(x)) for x in Q]
            elif s % frequency == 0:
                for side, A in enumerate(GG):
                    if len(A) > largest:
                        continue
                    values = np.diag(Q[side].T @ A @ Q[side])
                    order = np.argsort(-values)
                    A = A + np.finfo(float).eps ** 0.5 * values.max() * np.eye(len(A))
                    v = np.take(v, order, axis=side)
                    Q[side] = np.linalg.qr(A @ Q[side][:, order])[0]
            return w

        return update

    return make


PLAIN = {"muon": plain_muon, "shampoo": plain_shampoo, "soap": plain_soap}
CASES: list[tuple[str, list[dict[str, Any]]]] = [
    ("muon", [{"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.0}, {"lr": 0.01, "momentum": 0.8}]),
    ("muon", [{"lr": 0.01, "nesterov": False, "ns_steps": 3}]),
    ("shampoo", [{"lr": 0.05}, {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.1, "eps": 1e-2}]),
    ("shampoo", [{"lr": 0.05, "momentum": 0.0, "precondition_frequency": 3}]),
    ("soap", [{"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.2}, {"lr": 0.01, "eps": 1e-3}]),
    ("soap", [{"lr": 0.01, "beta1": 0.8, "beta2": 0.99, "precondition_frequency": 4}]),
    ("soap", [{"lr": 0.01, "max_precond_dim": 2}]),
]


@pytest.mark.parametrize("schedule", [decaying, constant])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_50_steps(
    name: str, options: list[dict[str, Any]], schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    # PyTorch's Muon rounds to bfloat16, which would leave two digits to compare.
    monkeypatch.setattr(Tensor, "bfloat16", lambda tensor: tensor.clone())
    found = trained_as_rows(name, options, schedule)
    for k, own in enumerate(options):
        agree(found[k], trained_plainly(PLAIN[name](own), own["lr"], k, schedule))


def test_muon_scales_tall_matrices_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "bfloat16", lambda tensor: tensor.clone())
    for shape in ((9, 4), (4, 9)):
        ours, theirs = nn.Parameter(draws(*shape)), nn.Parameter(draws(*shape))
        pair = [
            tw.optim.Muon([ours], lr=0.1, adjust_lr="original"),
            torch.optim.Muon([theirs], lr=0.1, adjust_lr_fn="original"),
        ]
        for step in range(5):
            ours.grad = theirs.grad = draws(*shape, seed=step)
            for optimizer in pair:
                optimizer.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(3, 20, 30), (3, 30, 20), (2, 8, 8), (1, 1, 7)])
def test_orthogonalized_has_singular_values_near_1(shape: tuple[int, ...]) -> None:
    D = draws(*shape)
    X = orthogonalized(D, 5)
    values = torch.linalg.svdvals(X)
    assert values.min() > 0.65
    assert values.max() < 1.25
    U, _, Vh = torch.linalg.svd(D, full_matrices=False)
    inside = U.mT @ X @ Vh.mT  # diagonal: the singular vectors are those of D
    torch.testing.assert_close(inside, torch.diag_embed(inside.diagonal(dim1=1, dim2=2)))
    assert not orthogonalized(torch.zeros(shape), 5).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_is_one_matrix(name: str) -> None:
    kernel = nn.Parameter(draws(4, 2, 3, 3))
    matrix = nn.Parameter(kernel.detach().clone().view(4, 18))
    rule = {"muon": tw.optim.Muon, "shampoo": tw.optim.Shampoo, "soap": tw.optim.SOAP}[name]
    both = rule([kernel], lr=0.01), rule([matrix], lr=0.01)
    for step in range(12):
        kernel.grad = draws(4, 2, 3, 3, seed=step)
        matrix.grad = kernel.grad.view(4, 18)
        for optimizer in both:
            optimizer.step()
    assert torch.equal(kernel.view(4, 18), matrix)
    assert not torch.allclose(matrix, draws(4, 2, 3, 3).view(4, 18))


def test_soap_in_the_identity_basis_is_adamw() -> None:
    """From the second gradient on; eps is outside the bias correction, hence nearly 0 here."""
    ours, theirs = nn.Parameter(draws(4, 3)), nn.Parameter(draws(4, 3))
    words: dict[str, Any] = {"lr": 0.01, "eps": 1e-30, "weight_decay": 0.0}
    soap = tw.optim.SOAP([ours], beta1=0.9, beta2=0.99, max_precond_dim=1, **words)
    adam = torch.optim.AdamW([theirs], betas=(0.9, 0.99), **words)
    ours.grad = draws(4, 3, seed=99)
    soap.step()
    assert torch.equal(ours, theirs)
    for step in range(25):
        ours.grad = theirs.grad = draws(4, 3, seed=step)
        soap.step()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_soaps_basis_diagonalizes_what_it_has_seen() -> None:
    parameter = nn.Parameter(draws(6, 4))
    soap = tw.optim.SOAP([parameter], precondition_frequency=1)
    scale = torch.diag(torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64))
    G = draws(6, 6, seed=1)[:, :4] @ scale
    for _ in range(60):
        parameter.grad = G
        soap.step()
    state = soap.state[parameter]["rule"]
    for side in "LR":
        Q, A = state[f"Q_{side}"][0], state[side][0]
        inside = Q.T @ A @ Q
        torch.testing.assert_close(Q.T @ Q, torch.eye(len(Q), dtype=torch.float64))
        outside = inside - torch.diag(inside.diagonal())
        assert outside.abs().max() < 1e-6 * inside.diagonal().max()


def test_a_completed_basis_is_orthonormal_and_begins_as_given() -> None:
    vectors = torch.linalg.qr(draws(2, 7, 3))[0]
    wanted = torch.tensor([[True, True, True], [True, True, False]])
    basis = complete_basis(vectors, wanted)
    torch.testing.assert_close(basis.mT @ basis, torch.eye(7).double().expand(2, 7, 7))
    kept = (basis[:, :, :3] * vectors).sum(1).abs()
    torch.testing.assert_close(kept[wanted], torch.ones(5, dtype=torch.float64))
    assert kept[1, 2] < 0.99


@pytest.mark.parametrize("name", ["shampoo", "soap"])
def test_a_run_that_is_not_finite_leaves_the_others_alone(name: str) -> None:
    def trained(rows: int) -> Tensor:
        net = nn.Linear(4, 3)
        with torch.no_grad():
            net.weight.copy_(draws(3, 4))
            net.bias.zero_()
        cohort = Cohort([net] * rows, range(rows), dtype=torch.float64)
        optimizer = registry.bind_optimizer(name, cohort, [{"lr": 0.01}] * rows)
        for step in range(25):
            cohort.G.copy_(draws(cohort.W.shape[1], seed=step))
            if rows > 1:
                cohort.G[1] = float("inf") if step % 2 else float("nan")
            optimizer.step(1.0, silent(cohort))
        return cohort.W[0]

    assert torch.equal(trained(2), trained(1))


@pytest.mark.parametrize(
    ("name", "lr", "wanted"), [("muon", 0.3, 0.02), ("shampoo", 0.5, 1e-4), ("soap", 0.3, 0.02)]
)
def test_it_reaches_the_optimum_of_a_quadratic(name: str, lr: float, wanted: float) -> None:
    options = {"lr": lr, "weight_decay": 0.0}
    found = LeastSquares(2).distance(name, [options] * 2, 400, lambda step: 0.985**step)
    assert found.max() < wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_is_held(name: str) -> None:
    problem = LeastSquares(2)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[0, 1] = mask[1, 4] = False
    problem.cohort.set_mask(mask)
    start = problem.cohort.W.clone()
    optimizer = registry.bind_optimizer(name, problem.cohort, [{"lr": 0.05}] * 2)
    for _ in range(15):
        problem.gradient()
        problem.cohort.mask_gradient()
        optimizer.step(1.0, silent(problem.cohort))
        problem.cohort.hold_mask()
    assert not problem.cohort.W[~mask].any()
    assert (start != problem.cohort.W)[mask].all()


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("muon", {"lr": 0.0}, "lr = 0.0: must be greater than 0"),
        ("muon", {"ns_steps": 100}, "ns_steps = 100: must be less than 100"),
        (
            "muon",
            {"adjust_lr": "none"},
            "adjust_lr = 'none': must be 'match_rms_adamw' or 'original'",
        ),
        ("shampoo", {"eps": 0.0}, "eps = 0.0: must be greater than 0"),
        ("shampoo", {"max_precond_dim": 0}, "max_precond_dim = 0: must be at least 1"),
        ("soap", {"beta1": 1.0}, "beta1 = 1.0: must be less than 1"),
        ("soap", {"precondition_frequency": 0}, "precondition_frequency = 0: must be at least 1"),
    ],
)
def test_wrong_hyperparameters_are_refused(
    name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        registry.check_optimizer(name, options, "optimizer")
    assert str(caught.value) == f"optimizer.{sentence}"
