"""Masks on modules, in files, and in the form of torch.nn.utils.prune."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.sparsity import (
    apply_masks,
    densities,
    density,
    from_torch,
    load_masks,
    prunable,
    save_masks,
    score,
    select,
    to_torch,
)


def network(name: str) -> nn.Module:
    options: dict[str, Any] = {"mlp": {"widths": [12]}, "rnn": {"hidden": 9, "layers": 2}}
    return build_model(name, options.get(name, {}), (1, 28, 28), 10, 3, None)


def masks_of(model: nn.Module, keep: float = 0.3) -> dict[str, Tensor]:
    return select(score(model, prunable(model), "random"), keep)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return list(a) == list(b) and all(
        torch.equal(a[n], b[n]) and a[n].dtype == b[n].dtype == torch.bool for n in a
    )


@pytest.mark.parametrize("name", ["mlp", "lenet5", "rnn"])
def test_apply(name: str) -> None:
    model = network(name)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    masks = masks_of(model)
    apply_masks(model, masks)
    for n, p in model.named_parameters():
        assert torch.equal(p, before[n].where(masks.get(n, torch.tensor(True)), 0))
        assert p.requires_grad


def test_apply_clears_what_is_not_finite_and_leaves_no_negative_zero() -> None:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[float("inf"), -1.0]]))
    apply_masks(layer, {"weight": torch.tensor([[False, False]])})
    assert torch.equal(layer.weight.detach().signbit(), torch.tensor([[False, False]]))
    assert (layer.weight == 0).all()


def test_densities() -> None:
    masks = {"a": torch.arange(8) < 2, "b": torch.ones(2, 1, dtype=torch.bool)}
    assert densities(masks) == {"a": 0.25, "b": 1.0}
    assert density(masks) == 0.4


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
@pytest.mark.parametrize("name", ["mlp", "lenet5", "rnn"])
def test_files(name: str, suffix: str, tmp_path: Path) -> None:
    model = network(name)
    masks = masks_of(model)
    path = tmp_path / f"masks{suffix}"
    save_masks(path, masks)
    assert same(load_masks(str(path), model), masks)
    assert same(load_masks(path), {n: masks[n] for n in load_masks(path)})
    if suffix != ".safetensors":  # a plain dictionary, for anyone
        assert same(torch.load(path, weights_only=True), masks)


@pytest.mark.parametrize("mark", ["", "_mask", ".mask"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.uint8])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_keys_and_types_of_others(
    mark: str, dtype: torch.dtype, suffix: str, tmp_path: Path
) -> None:
    model = network("rnn")
    masks = masks_of(model)
    path = tmp_path / f"masks{suffix}"
    tensors = {f"{n}{mark}": m.to(dtype) for n, m in masks.items()}
    if suffix == ".pt":
        torch.save(tensors, path)
    else:
        safetensors.torch.save_file(tensors, path)
    assert same(load_masks(path, model), masks)


def test_a_state_dict_of_torch_prune_is_a_mask_file(tmp_path: Path) -> None:
    model = network("lenet5")
    masks = masks_of(model)
    pruned = copy.deepcopy(model)
    to_torch(pruned, masks)
    torch.save(pruned.state_dict(), tmp_path / "model.pt")
    assert same(load_masks(tmp_path / "model.pt", model), masks)


class Sequenced(nn.Module):
    """Calls its recurrent layer, as most networks do."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(3, 4, 2, batch_first=True)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_weights_under_torch_prune(kind: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    model = Sequenced(kind)
    plain, masks, x = copy.deepcopy(model), masks_of(model, 0.8), torch.randn(5, 6, 3)
    apply_masks(plain, masks)
    to_torch(model, masks)
    assert "rnn.weight_hh_l0_mask" in model.state_dict()
    found = from_torch(model)
    assert same({n: found[n] for n in masks}, masks)
    torch.testing.assert_close(model(x), plain(x))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    after = model(x)
    for name in masks:
        path, _, leaf = name.rpartition(".")
        torch_prune.remove(model.get_submodule(path), leaf)
    assert set(model.state_dict()) == set(plain.state_dict())
    torch.testing.assert_close(model(x), after)
    for name, mask in masks.items():
        weight = model.get_parameter(name)
        assert (weight[~mask] == 0).all()
        assert (weight[mask] != plain.get_parameter(name)[mask]).any()
    with pytest.raises(InputError, match=r"the model holds no mask of torch.nn.utils.prune"):
        from_torch(model)


@pytest.mark.parametrize("name", ["mlp", "lenet5", "rnn"])
def test_torch_prune_computes_the_same(name: str) -> None:
    model, x = network(name), torch.randn(3, 1, 28, 28)
    plain, masks = copy.deepcopy(model), masks_of(model)
    apply_masks(plain, masks)
    to_torch(model, masks)
    torch.testing.assert_close(model(x), plain(x))


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    model = network("lenet5")
    fc2 = torch.ones(84, 120, dtype=torch.bool)
    for masks, message in [
        ({"fc2.wieght": fc2}, r"unknown parameter 'fc2.wieght'; did you mean 'fc2.weight'\?"),
        ({"fc2.weight": fc2.T}, r"'fc2.weight' has shape \(120, 84\), but must have \(84, 120\)"),
        ({"fc2.weight": fc2.float()}, r"'fc2.weight' is torch.float32, but must be boolean"),
    ]:
        for use in (apply_masks, to_torch):
            with pytest.raises(InputError, match=f"masks: .*{message}"):
                use(model, masks)
    path = tmp_path / "other.safetensors"
    save_masks(path, {"fc2.weight": fc2[:3]})
    with pytest.raises(InputError, match=r"other.safetensors: .* \(3, 120\), but must have \(84"):
        load_masks(path, model)


class Stranger:
    pass


def test_files_that_are_refused(tmp_path: Path) -> None:
    layer = nn.Linear(2, 1)
    ones = torch.ones(1, 2)
    contents: list[tuple[Any, str]] = [
        ({"weight": ones / 2}, "the mask of 'weight' must hold nothing but 0 and 1"),
        ({"weight": ones * float("nan")}, "must hold nothing but 0 and 1"),
        ({"weight": ones, "weight_mask": ones}, "holds more than one mask of 'weight'"),
        ({"weight": [1, 1]}, "must hold tensors by parameter name"),
        (ones, "must hold tensors by parameter name"),
        ({1: ones}, "must hold tensors by parameter name"),
        ({"weight": Stranger()}, "is no readable file of masks"),
    ]
    path = tmp_path / "masks.pt"
    for content, message in contents:
        torch.save(content, path)
        with pytest.raises(InputError, match=f"masks.pt: .*{message}"):
            load_masks(path, layer)
    for damaged in (b"", b"not a file of tensors", pickle.dumps({"weight": 1})):
        for suffix in (".pt", ".safetensors"):
            path = tmp_path / f"damaged{suffix}"
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=f"damaged{suffix}: "):
                load_masks(path)
    with pytest.raises(InputError, match=r"none.pt: is no readable file of masks"):
        load_masks(tmp_path / "none.pt")
    with pytest.raises(InputError, match=r"masks.csv: must end in one of .safetensors, .pt, .pth"):
        load_masks("masks.csv")
    with pytest.raises(InputError, match=r"cannot be written"):
        save_masks(tmp_path / "no folder" / "masks.pt", {"weight": ones > 0})
