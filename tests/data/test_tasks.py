"""Tasks: shapes, splits, normalisation, and users' own."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from thalweg.data import TASKS, Split, Task, carve_validation, load_task
from thalweg.data.registry import IdxOptions, idx_task
from thalweg.data.sources import SOURCES, Source
from thalweg.data.task import draw_examples
from thalweg.errors import InputError

CPU = torch.device("cpu")


def parts(task: Task) -> list[Split]:
    return list(task.splits.values())


def rows(split: Split) -> Tensor:
    """One line an example, inputs and targets together."""
    return torch.cat([split.inputs.flatten(1).double(), split.targets.view(len(split), -1)], 1)


def sorted_rows(table: np.ndarray) -> np.ndarray:
    return table[np.lexsort(table.T)]


def test_names() -> None:
    assert TASKS.names() == ["digits", "sine", "mnist", "fashion-mnist"]
    assert all(entry.summary for entry in TASKS)


def test_digits() -> None:
    task = load_task("digits", {})
    assert (task.name, task.loss, task.outputs) == ("digits", "cross_entropy", 10)
    assert task.class_names == tuple("0123456789")
    assert task.shape == (1, 8, 8)
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 1150,
        "validation": 287,
        "test": 360,
    }
    for split in parts(task):
        assert split.inputs.dtype == torch.uint8
        assert split.targets.dtype == torch.int64
        assert split.targets.unique().tolist() == list(range(10))


def test_the_digits_are_scikit_learns_each_in_one_split() -> None:
    task = load_task("digits", {})
    bunch = load_digits()
    stored = np.rint(bunch.data * 255 / 16)
    wanted = np.column_stack([stored, bunch.target])
    found = torch.cat([rows(split) for split in parts(task)]).numpy()
    np.testing.assert_array_equal(sorted_rows(found), sorted_rows(wanted))


def test_the_digits_constants_are_those_of_the_set() -> None:
    pixels = load_digits().data / 16
    split = load_task("digits", {}).train
    assert split.mean == pytest.approx(pixels.mean(), abs=1e-4)
    assert split.std == pytest.approx(pixels.std(), abs=1e-4)


@pytest.mark.parametrize("name", ["digits", "sine"])
def test_splits_are_fixed(name: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = load_task(name, {})
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    second = load_task(name, {})
    for one, other in zip(parts(first), parts(second), strict=True):
        assert torch.equal(rows(one), rows(other))


def test_the_test_split_does_not_depend_on_the_validation() -> None:
    tasks = [load_task("digits", {"validation": size}) for size in (0, 1, 287, 1436)]
    assert tasks[0].validation is None
    assert list(tasks[0].splits) == ["train", "test"]
    assert [len(task.train) for task in tasks] == [1437, 1436, 1150, 1]
    for task in tasks[1:]:
        assert torch.equal(rows(task.test), rows(tasks[0].test))


def test_pinned_digits() -> None:
    """A change here changes every result on the built-in data: is that intended?"""
    task = load_task("digits", {})
    assert task.test.targets[:10].tolist() == [5, 4, 0, 0, 2, 8, 3, 9, 1, 9]
    assert task.validation is not None
    assert task.validation.targets[:10].tolist() == [9, 3, 6, 2, 1, 7, 3, 8, 6, 3]
    assert task.train.targets[:10].tolist() == [9, 7, 9, 5, 3, 6, 1, 1, 4, 8]


@pytest.mark.parametrize("size", [8, 28, 64])
def test_digits_of_any_size(size: int) -> None:
    task = load_task("digits", {"size": size})
    assert task.shape == (1, size, size)
    small = load_task("digits", {})
    assert torch.equal(task.test.targets, small.test.targets)
    if size % 8 == 0 and size > 8:  # each block of a bilinear enlargement keeps its mean, nearly
        blocks = task.test.inputs.double().unfold(2, size // 8, size // 8)
        blocks = blocks.unfold(3, size // 8, size // 8).mean((-1, -2))
        assert (
            torch.corrcoef(torch.stack([blocks.flatten(), small.test.inputs.double().flatten()]))[
                0, 1
            ].item()
            > 0.95
        )


def test_batches_of_images_are_normalised() -> None:
    images = torch.tensor([[0, 51], [102, 255]], dtype=torch.uint8).view(1, 1, 2, 2)
    split = Split(images.expand(3, 1, 2, 2), torch.arange(3), mean=0.4, std=0.5)
    x, y = split.batch(torch.tensor([2, 0]))
    wanted = torch.tensor([[-0.8, -0.4], [0.0, 1.2]]).expand(2, 1, 2, 2)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x, wanted)
    assert y.tolist() == [2, 0]
    task = load_task("digits", {}).to(CPU, torch.float64)
    x, _ = task.train.batch(slice(None))
    assert x.dtype == torch.float64
    assert x.mean().abs().item() < 0.01
    assert x.std().item() == pytest.approx(1, abs=0.01)


def test_batches_by_a_matrix_of_indices() -> None:
    task = load_task("digits", {})
    index = torch.tensor([[0, 1, 2], [5, 5, 0]])
    x, y = task.train.batch(index)
    assert x.shape == (2, 3, 1, 8, 8)
    assert y.shape == (2, 3)
    for k in range(2):
        alone, targets = task.train.batch(index[k])
        assert torch.equal(x[k], alone)
        assert torch.equal(y[k], targets)


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([1, 2])], ids=["slice", "tensor"])
def test_a_batch_may_be_written_to(index: Any) -> None:
    split = Split(torch.ones(4, 2), torch.arange(4))
    x, _ = split.batch(index)
    x.zero_()
    assert torch.equal(split.inputs, torch.ones(4, 2))


@pytest.mark.parametrize("name", ["digits", "sine"])
def test_conversion_keeps_what_is_stored_and_sets_the_type_of_batches(name: str) -> None:
    task = load_task(name, {"validation": 10})
    double = task.to(CPU, torch.float64)
    for split, converted in zip(parts(task), parts(double), strict=True):
        assert converted.inputs.dtype == split.inputs.dtype
        x, y = converted.batch(torch.arange(4))
        assert x.dtype == torch.float64
        assert y.dtype == (torch.float64 if name == "sine" else torch.int64)
        x32, _ = split.batch(torch.arange(4))
        torch.testing.assert_close(x.float(), x32, rtol=1e-5, atol=1e-6)
    assert double.shape == task.shape
    assert (double.name, double.loss, double.outputs) == (task.name, task.loss, task.outputs)


def test_sine() -> None:
    task = load_task("sine", {})
    assert (task.name, task.loss, task.outputs, task.class_names) == ("sine", "mse", 1, ())
    assert task.shape == (1,)
    assert (len(task.train), task.validation, len(task.test)) == (80, None, 20)
    x = torch.cat([split.inputs for split in parts(task)]).flatten().sort().values
    torch.testing.assert_close(x, torch.linspace(-5, 5, 100))


def residuals(**options: Any) -> Tensor:
    """What was added to the sine, in the order of x."""
    task = load_task("sine", options)
    x = torch.cat([split.inputs for split in parts(task)])
    y = torch.cat([split.targets for split in parts(task)])
    return (y - x.sin())[x.flatten().argsort()].flatten()


def test_the_noise_of_the_sine() -> None:
    assert residuals(noise=0.0).abs().max().item() < 1e-6
    noise = residuals(points=20_000, noise=0.4)
    assert noise.std().item() == pytest.approx(0.4, rel=0.02)
    assert noise.mean().abs().item() < 0.01
    torch.testing.assert_close(residuals(noise=0.8), 2 * residuals(), rtol=1e-4, atol=1e-6)


def test_fewer_examples_are_some_of_those_that_validation_leaves() -> None:
    digits = load_task("digits", {"validation": 287})
    few = draw_examples(digits.train, 100)
    assert len(few) == 100
    taken, whole = ({tuple(row) for row in rows(s).tolist()} for s in (few, digits.train))
    assert taken <= whole
    again = draw_examples(digits.train, 100)
    assert torch.equal(rows(again), rows(few))
    assert few.targets.unique().tolist() == list(range(10))  # not the first of an ordered file
    with pytest.raises(InputError, match=r"task.examples = 1151: must be at most 1150"):
        draw_examples(digits.train, 1151)


def test_a_validation_of_the_sine() -> None:
    task = load_task("sine", {"points": 50, "validation": 15})
    assert [len(split) for split in parts(task)] == [25, 15, 10]
    x = torch.cat([split.inputs for split in parts(task)])
    assert len(x.unique()) == 50


def test_a_grid_judges_the_sine_without_its_noise() -> None:
    plain, task = load_task("sine", {}), load_task("sine", {"grid": 301})
    assert task.validation is not None
    assert torch.equal(rows(task.train), rows(plain.train))
    assert torch.equal(rows(task.validation), rows(plain.test))
    x = np.linspace(-5, 5, 301)
    found = task.test.inputs.flatten().double().numpy()
    np.testing.assert_allclose(found, x, rtol=0, atol=1e-6)
    wanted = task.test.targets.flatten().double().numpy()
    np.testing.assert_allclose(wanted, np.sin(x), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"grid": 1}, "task.grid = 1: must be at least 2"),
        ({"grid": 9.5}, "task.grid = 9.5: must be a whole number"),
        (
            {"grid": 100, "validation": 10},
            "task: validation = 10: must be left out where grid is given, as the held-out noisy "
            "points are the validation split then",
        ),
    ],
)
def test_a_grid_that_cannot_be(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        load_task("sine", options)
    assert str(error.value) == sentence


def test_carving_takes_each_example_once_and_keeps_their_order() -> None:
    whole = Split(torch.arange(20.0).unsqueeze(1), torch.arange(20))
    train, validation = carve_validation(whole, 6)
    assert validation is not None
    assert (len(train), len(validation)) == (14, 6)
    for split in (train, validation):
        assert split.targets.tolist() == sorted(split.targets.tolist())
        assert split.inputs.flatten().tolist() == split.targets.tolist()
    together = train.targets.tolist() + validation.targets.tolist()
    assert sorted(together) == list(range(20))
    again, _ = carve_validation(whole, 6)
    assert torch.equal(again.targets, train.targets)


@pytest.mark.parametrize("size", [1437, 5000])
def test_something_must_be_left_to_train_on(size: int) -> None:
    with pytest.raises(InputError) as caught:
        load_task("digits", {"validation": size})
    assert str(caught.value) == (
        f"task.validation = {size}: must be less than the 1437 training examples"
    )


def test_inputs_and_targets_must_match() -> None:
    with pytest.raises(ValueError, match="3 inputs but 2 targets"):
        Split(torch.zeros(3, 1), torch.zeros(2))


def test_a_set_of_idx_files(
    toy: Source, toy_arrays: dict[str, np.ndarray], write_toy: Callable[..., Path], tmp_path: Path
) -> None:
    task = idx_task("toy", IdxOptions(validation=3), write_toy(tmp_path / "toy"))
    assert (task.shape, task.outputs, task.loss) == ((1, 4, 4), 10, "cross_entropy")
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 9,
        "validation": 3,
        "test": 5,
    }
    assert np.array_equal(task.test.inputs.squeeze(1).numpy(), toy_arrays["test_images"])
    assert np.array_equal(task.test.targets.numpy(), toy_arrays["test_labels"])
    x, _ = task.test.batch(slice(None))
    wanted = (toy_arrays["test_images"] / 255 - toy.mean) / toy.std
    np.testing.assert_allclose(x.squeeze(1).numpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_sets(
    name: str, real_data: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = real_data(name)
    monkeypatch.setattr("thalweg.data.locate.load", lambda *_: arrays)  # read once, shared
    task = load_task(name, {})
    assert task.shape == (1, 28, 28)
    assert len(task.class_names) == task.outputs == 10
    assert {key: len(split) for key, split in task.splits.items()} == {
        "train": 55_000,
        "validation": 5_000,
        "test": 10_000,
    }
    assert task.validation is not None
    counts = task.train.targets.bincount() + task.validation.targets.bincount()
    assert counts.tolist() == np.bincount(arrays["train_labels"]).tolist()
    assert task.test.targets.tolist() == arrays["test_labels"].tolist()
    pixels = arrays["train_images"] / 255
    source = SOURCES[name]
    assert source.mean == pytest.approx(pixels.mean(), abs=1e-4)
    assert source.std == pytest.approx(pixels.std(), abs=1e-4)
    x, _ = task.test.batch(slice(0, 100))
    wanted = (arrays["test_images"][:100] / 255 - source.mean) / source.std
    np.testing.assert_allclose(x.squeeze(1).numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530)]
)
def test_the_normalisation_of_the_studies(name: str, mean: float, std: float) -> None:
    assert (SOURCES[name].mean, SOURCES[name].std) == (mean, std)


USERS = '''
import torch
from thalweg.data import Split, Task


def circle(points=8, *, noise=0.0):
    """Points on a circle.

    And more about them.
    """
    angle = torch.linspace(0, 6, points)
    split = Split(torch.stack([angle.cos(), angle.sin()], 1), (angle > 3).long())
    return Task("circle", "cross_entropy", 2, ("up", "down"), split, None, split)


def wrong():
    return [1, 2]


def required(points):
    return circle(points)


number = 3
'''


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_tasks.py").write_text(USERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_tasks", raising=False)


def test_a_users_task_by_reference(users: None) -> None:
    task = load_task("users_tasks:circle", {"points": 12})
    assert (len(task.train), task.shape, task.class_names) == (12, (2,), ("up", "down"))
    assert list(task.splits) == ["train", "test"]
    assert TASKS["users_tasks:circle"].summary == "Points on a circle."


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "users_tasks:wrong",
            {},
            "task 'users_tasks:wrong': returned a list, not a thalweg.data.Task",
        ),
        (
            "users_tasks:number",
            {},
            "task 'users_tasks:number': must be a function that returns a thalweg.data.Task",
        ),
        (
            "users_tasks:circle",
            {"noize": 1},
            "users_tasks:circle: unknown key 'noize'; did you mean 'noise'? "
            "(allowed: points, noise)",
        ),
        (
            "users_tasks:required",
            {},
            "users_tasks:required: 'points' has no default and must be given",
        ),
        (
            "users_tasks:circel",
            {},
            "'users_tasks:circel': unknown name 'circel'; did you mean 'circle'? ",
        ),
        ("digit", {}, "unknown task 'digit'; did you mean 'digits'? (allowed: digits, sine, "),
        ("digits", {"size": 7}, "task.size = 7: must be at least 8"),
        ("sine", {"noise": -1}, "task.noise = -1: must be at least 0"),
        ("mnist", {"validation": -1}, "task.validation = -1: must be at least 0"),
    ],
)
def test_one_sentence_for_what_is_wrong(
    name: str, options: dict[str, Any], sentence: str, users: None
) -> None:
    with pytest.raises(InputError) as caught:
        load_task(name, options)
    assert str(caught.value).startswith(sentence)
