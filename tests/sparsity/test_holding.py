"""A held mask holds after every step, whatever the optimizer does."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import thalweg
from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.sparsity import densities, hold, prunable, prune, score, select

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "decay": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1, foreach=False),
    "fused": lambda p: torch.optim.AdamW(p, 0.01, fused=True),
    "lbfgs": lambda p: torch.optim.LBFGS(p, 0.1, max_iter=3),
    "ours": lambda p: thalweg.optim.SGD(p, lr=0.05, momentum=0.9),
}


def problem(name: str = "mlp") -> tuple[nn.Module, Tensor, Tensor]:
    options = {"mlp": {"widths": [12]}, "rnn": {"hidden": 9, "layers": 2}}.get(name, {})
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(16, 1, 8, 8, generator=stream)
    y = torch.randint(0, 10, (16,), generator=stream)
    return build_model(name, options, (1, 8, 8), 10, 0, None), x, y


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)


def revived(model: nn.Module, masks: dict[str, Tensor]) -> int:
    return sum(int((model.get_parameter(n)[~mask] != 0).sum()) for n, mask in masks.items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["mlp", "rnn"])
def test_after_every_step(name: str, optimizer: str) -> None:
    """Steps before the mask gather momentum, which would revive what is pruned later."""
    model, x, y = problem(name)
    opt = OPTIMIZERS[optimizer](model.parameters())
    for _ in range(2):
        step(model, opt, x, y)
    masks = prune(model, 0.7)
    with hold(model, masks):
        for _ in range(3):
            before = {n: model.get_parameter(n).detach().clone() for n in masks}
            step(model, opt, x, y)
            assert revived(model, masks) == 0
            for n, mask in masks.items():
                p = model.get_parameter(n)
                assert p.grad is not None and (p.grad[~mask] == 0).all()
                assert not mask.any() or (p[mask] != before[n][mask]).any()
    step(model, opt, x, y)
    assert revived(model, masks) > 0  # let go


def test_a_lone_gradient_mask_would_not_do() -> None:
    model, x, y = problem()
    opt = OPTIMIZERS["momentum"](model.parameters())
    step(model, opt, x, y)
    masks = prune(model, 0.7)
    for name, mask in masks.items():
        model.get_parameter(name).register_hook(lambda g, m=mask: g * m)
    step(model, opt, x, y)
    assert revived(model, masks) > 0


def test_others_are_left_alone() -> None:
    model, x, y = problem()
    other, _, _ = problem()
    masks = select(score(model, prunable(model)), 0.3)
    handle = hold(model, masks)
    step(other, OPTIMIZERS["adam"](other.parameters()), x, y)
    assert revived(other, masks) > 0
    handle.remove()
    handle.remove()


def test_state_of_pruned_weights_stays_zero() -> None:
    model, x, y = problem()
    masks = prune(model, 0.7)
    hold(model, masks)
    opt = OPTIMIZERS["adam"](model.parameters())
    opt.param_groups[0]["weight_decay"] = 0
    for _ in range(3):
        step(model, opt, x, y)
    for name, mask in masks.items():
        state = opt.state[model.get_parameter(name)]
        assert (state["exp_avg"][~mask] == 0).all() and (state["exp_avg"] != 0).any()


def test_frozen_parameters_and_moved_models() -> None:
    model, x, y = problem()
    masks = prune(model, 0.7)
    frozen = model.get_parameter("layers.0.weight").requires_grad_(False)
    hold(model, masks)
    model.double()
    frozen.requires_grad_(True)  # thawed later: only the step is left to hold it
    step(model, OPTIMIZERS["momentum"](model.parameters()), x.double(), y)
    assert revived(model, masks) == 0


def test_a_discarded_model_is_freed_and_its_hook_removed() -> None:
    from torch.optim.optimizer import _global_optimizer_post_hooks as hooks

    gc.collect()
    before = len(hooks)
    model, _, _ = problem()
    hold(model, prune(model, 0.7))
    assert len(hooks) == before + 1
    gone = weakref.ref(model.get_parameter("layers.0.weight"))
    del model
    gc.collect()
    assert gone() is None and len(hooks) == before


def test_masks_that_do_not_fit() -> None:
    model, _, _ = problem()
    with pytest.raises(InputError, match=r"unknown parameter 'fc.weight'"):
        hold(model, {"fc.weight": torch.ones(1, dtype=torch.bool)})


def test_hold_prunes() -> None:
    model, _, _ = problem()
    masks = select(score(model, prunable(model)), 0.3)
    with hold(model, masks):
        assert revived(model, masks) == 0
    assert densities(masks).keys() == {"layers.0.weight", "layers.1.weight"}
