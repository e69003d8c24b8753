"""thalweg measure of files of weights for which no task is named, or which can be read two ways."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.conftest import one_core
from torch import Tensor
from torch.nn.utils import prune as torch_prune

from thalweg import Study
from thalweg.execute import Progress
from thalweg.models import build_model
from thalweg.sparsity import save_masks
from thalweg.study import build_study

Run = Callable[..., Any]
RNN = '{name="rnn", hidden=6, layers=1}'
HIDDEN = {"hidden": 6, "layers": 1}
NO_NULLS = ("--set", "nulls=0")


def network() -> torch.nn.Module:
    return build_model("rnn", HIDDEN, (1, 8, 8), 10, 0, None)


def kept_of_pruned() -> dict[str, Tensor]:
    """Write what `torch.nn.utils.prune` leaves of a network, and return its masks."""
    module = network()
    torch_prune.random_unstructured(module.rnn, "weight_hh_l0", 0.5)
    torch_prune.random_unstructured(module.fc, "weight", 0.5)
    torch_prune.random_unstructured(module.rnn, "weight_ih_l0", 0.25)
    state = module.state_dict()
    state["rnn.weight_hh_l0_orig"][0] = 0  # kept, and 0 all the same
    torch.save(state, "pruned.pt")
    return {key.removesuffix("_mask"): v for key, v in state.items() if key.endswith("_mask")}


def measured(thalweg: Run, *command: Any) -> dict[str, Any]:
    done = thalweg("measure", *command, "--json")
    assert done.status == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("model", "shape", "options"),
    [
        (RNN, (1, 8, 8), HIDDEN),
        (RNN, (1, 28, 28), HIDDEN),
        ('{name="mlp", widths=[5]}', (1, 28, 28), {"widths": [5]}),
        ('{name="mlp", widths=[5]}', (13,), {"widths": [5]}),
        ("lenet5", (1, 28, 28), {}),
    ],
)
@pytest.mark.parametrize("outputs", [10, 3])
def test_no_task_is_needed_where_no_example_is_looked_at(
    thalweg: Run, model: str, shape: tuple[int, ...], options: dict[str, Any], outputs: int
) -> None:
    name = model.split('"')[1] if '"' in model else model
    module = build_model(name, options, shape, outputs, 0, None)
    torch.save(module.state_dict(), "weights.pt")
    found = measured(
        *(thalweg, "weights.pt", "--model", model, "--probe", "graph,weights"),
        *("--edge-keep", "1", *NO_NULLS),
    )
    names = [name for name, p in module.named_parameters() if p.ndim > 1]
    assert found["graph"]["layer"] == [*names, "network"]
    assert found["weights"]["layer"] == [*names, "all"]
    sizes = [module.get_parameter(name).numel() for name in names]
    assert found["weights"]["count"] == [*sizes, sum(sizes)]


def test_the_strongest_of_each_matrix(thalweg: Run) -> None:
    torch.save(network().state_dict(), "weights.pt")
    command = ["weights.pt", "--model", RNN, "--probe", "graph", *NO_NULLS]
    assert measured(thalweg, *command, "--edge-keep", "0.5")["edges"] == [24, 18, 30, 72]
    with_task = measured(thalweg, *command, "--edge-keep", ".5", "--task", "digits")
    assert with_task["edges"] == [24, 18, 30, 72]


def test_what_torch_left_of_a_pruned_network_as_weights_and_as_masks(thalweg: Run) -> None:
    masks = kept_of_pruned()
    order = ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "fc.weight"]
    kept = [int(masks[name].sum()) for name in order]
    zero = int(masks["rnn.weight_hh_l0"][0].sum())
    assert zero > 0
    command = ["pruned.pt", "--probe", "graph", *NO_NULLS]
    named = [*command, "--model", RNN]
    as_masks = [
        measured(thalweg, *command),
        measured(thalweg, *command, "--prefer", "masks"),
        measured(thalweg, *named, "--prefer", "masks"),
        measured(thalweg, *named, "--task", "digits", "--prefer", "masks"),
    ]
    for found in as_masks:
        edges = dict(zip(found["layer"], found["edges"], strict=True))
        assert [edges[name] for name in order] == kept
    for more in ([], ["--task", "digits"]):
        found = measured(thalweg, *named, *more, "--prefer", "weights")
        assert found["edges"][:3] == [kept[0], kept[1] - zero, kept[2]]


def test_a_file_of_0_and_1_as_weights(thalweg: Run) -> None:
    state = {name: (value > 0).float() for name, value in network().state_dict().items()}
    torch.save(state, "ones.pt")
    command = ["ones.pt", "--probe", "graph", "--model", RNN, *NO_NULLS]
    ones = [int(value.sum()) for value in state.values() if value.ndim > 1]
    assert measured(thalweg, *command)["edges"][:3] == ones
    found = measured(thalweg, *command, "--prefer", "weights", "--edge-keep", "0.1")
    assert found["edges"][:3] == [4, 3, 6]


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a run whose mask keeps half of the weights, some of which are 0."""
    folder = tmp_path_factory.mktemp("pruned") / "out"
    table = {
        "study": {"name": "half", "seeds": 1},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [8]},
        "train": {"epochs": 1, "batch_size": 64},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "arms": {"dense": {}, "imp": {"sparsity": {"name": "imp", "keep": [0.5]}}},
    }
    with one_core():
        Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder


def test_a_run_with_a_mask(thalweg: Run, pruned: Path) -> None:
    command = ["half/imp/0", "--out", pruned, "--probe", "graph", *NO_NULLS]
    masks, weights = (measured(thalweg, *command, "--prefer", p) for p in ("masks", "weights"))
    kept = round(0.5 * (64 * 8 + 8 * 10))
    assert masks["edges"][-1] == kept
    assert weights["edges"][-1] <= kept  # digits have pixels that are always 0: no step moves them
    done = thalweg("measure", "half/dense/0", *command[1:], "--prefer", "masks")
    assert (done.status, done.stderr) == (*(2, "thalweg: --prefer masks: half/dense/0 has none\n"),)


BAD = [
    ("graph weights.pt --model rnn --edge-keep 0", "edge_keep = 0: must be greater than 0"),
    ("graph weights.pt --model rnn --edge-keep two", "edge_keep = 'two': must be a number"),
    (
        "hessian weights.pt --model rnn --task digits --edge-keep 0.5",
        "edge_keep: is no option of hessian",
    ),
    ("graph weights.pt --prefer other", "--prefer other: must be weights or masks"),
    ("weights weights.pt --prefer masks", "--prefer masks: must go with --probe graph alone"),
    ("graph weights.pt --prefer weights", "weights.pt: a file of weights needs --model"),
    ("graph weights.pt --prefer masks", "the mask of 'rnn.weight_ih_l0' must hold nothing but 0"),
    ("hessian weights.pt", "weights.pt: a file of weights needs --model and --task"),
    ("graph,hessian weights.pt", "weights.pt: a file of weights needs --model and --task"),
    ("graph weights.pt --model lenet5", "weights.pt: has no 'conv1.weight', which the model has"),
    ("graph masks.pt --edge-keep 0.1", "edge_keep = 0.1: must be left out for a file of masks"),
    (
        "graph wide.pt --model rnn",
        "'rnn.weight_ih_l0' has shape (7, 28), but the model's has (6, 28)",
    ),
]


@pytest.mark.parametrize(("command", "said"), BAD, ids=[command for command, _ in BAD])
def test_wrong_input_gets_a_sentence(thalweg: Run, command: str, said: str) -> None:
    torch.save(network().state_dict(), "weights.pt")
    wide = build_model("rnn", {"hidden": 7, "layers": 1}, (1, 28, 28), 10, 0, None)
    torch.save(wide.state_dict(), "wide.pt")
    save_masks("masks.pt", {"fc.weight": torch.ones(3, 2, dtype=torch.bool)})
    probe, file, *rest = command.split()
    given = [RNN if word == "rnn" else word for word in rest]
    done = thalweg("measure", file, "--probe", probe, *given)
    assert done.status == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
