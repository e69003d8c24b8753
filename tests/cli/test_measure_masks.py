"""thalweg measure --probe graph, of a run and of anyone's file of masks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from thalweg.measure.graphs import graph_figures, mask_graphs
from thalweg.models import build_model
from thalweg.sparsity import Masks, prune, save_masks, to_torch

Run = Callable[..., Any]
NETWORK = ["--model", '{name="rnn", hidden=6, layers=1}', "--task", "digits"]


@pytest.fixture(scope="module")
def masks() -> Masks:
    return prune(build_model("rnn", {"hidden": 6, "layers": 1}, (1, 8, 8), 10, 0, None), target=0.5)


def network() -> torch.nn.Module:
    return build_model("rnn", {"hidden": 6, "layers": 1}, (1, 8, 8), 10, 0, None)


@pytest.mark.parametrize(
    "file", ["own.safetensors", "own.pt", "marked.pt", "pruned.pt", "floats.pt"]
)
@pytest.mark.parametrize("named", [False, True])
def test_a_file_of_masks(thalweg: Run, masks: Masks, file: str, named: bool) -> None:
    if file == "marked.pt":
        torch.save({f"{name}_mask": mask for name, mask in masks.items()}, file)
    elif file == "floats.pt":
        torch.save({name: mask.double() for name, mask in masks.items()}, file)
    elif file == "pruned.pt":
        module = network()
        to_torch(module, masks)
        torch.save(module.state_dict(), file)
    else:
        save_masks(file, masks)
    command = ["measure", file, "--probe", "graph", "--set", "nulls=3", "--seed", 4, "--json"]
    done = thalweg(*command, *(NETWORK if named else []))
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    expected = graph_figures(mask_graphs(masks), 3, 4)
    assert found["layer"] == [*masks, "network"]
    assert found["seed"] == 4
    for name in ("edges", "latapy", "clustering", "small_world", "robins_alexander_z"):
        for a, b in zip(found[name], expected[name], strict=True):
            assert a == (pytest.approx(b) if b == b else None), name
    assert len(found["nulls"]) > 50


def test_for_people(thalweg: Run, masks: Masks) -> None:
    save_masks("own.pt", masks)
    done = thalweg("measure", "own.pt", "--probe", "graph", "--set", "nulls=2")
    assert done.status == 0, done.stderr
    for text in ("network", "recurrent", "assortativity", "small_world", "nulls are printed with"):
        assert text in done.stdout


def test_weights_by_the_strongest(thalweg: Run) -> None:
    torch.save(network().state_dict(), "weights.pt")
    command = ["measure", "weights.pt", "--probe", "graph", *NETWORK, "--json"]
    done = thalweg(*command, "--set", "edge_keep=0.5", "--set", "nulls=0")
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["edges"] == [24, 18, 30, 72]


BAD = [
    ("graph foreign.pt", "unknown parameter 'rnn.weight_xx'; did you mean 'rnn.weight_"),
    ("graph values.pt", "the mask of 'rnn.weight_hh_l0' must hold nothing but 0 and 1"),
    ("graph shape.pt", "the mask of 'rnn.weight_hh_l0' has shape (5, 5), but must have (6, 6)"),
    ("graph vectors.pt", "masks of fc.bias: none is a matrix of weights"),
    ("graph broken.pt", "broken.pt: is no readable file of masks"),
    ("graph absent.pt", "absent.pt: does not exist"),
    ("graph own.pt --set edge_keep=0.1", "edge_keep = 0.1: must be left out for a file of masks"),
    ("graph own.pt --set nulls=-1", "nulls = -1: must be at least 0"),
    ("graph own.pt --set nulss=1", "unknown key 'nulss'; did you mean 'nulls'?"),
    ("graph own.pt --examples 10", "--examples: must be left out for a file of masks alone"),
    ("graph own.pt --split test", "--split: must be left out for a file of masks alone"),
    ("graph own.pt --model rnn", "the mask of 'rnn.weight_ih_l0' has shape (6, 8), but must have"),
    ("graph own.pt --task digits", "--task digits: must go with --model"),
    ("hessian own.pt", "own.pt: a file of weights needs --model and --task"),
]


@pytest.mark.parametrize(("command", "said"), BAD, ids=[command for command, _ in BAD])
def test_wrong_input_gets_a_sentence(thalweg: Run, masks: Masks, command: str, said: str) -> None:
    state = "rnn.weight_hh_l0"
    save_masks("own.pt", masks)
    torch.save({**masks, "rnn.weight_xx": masks[state]}, "foreign.pt")
    torch.save({**masks, state: torch.full((6, 6), 0.5)}, "values.pt")
    torch.save({**masks, state: torch.ones(5, 5)}, "shape.pt")
    torch.save({"fc.bias": torch.ones(3)}, "vectors.pt")
    Path("broken.pt").write_bytes(b"no file of masks")
    probe, file, *rest = command.split()
    named = NETWORK if file in ("foreign.pt", "shape.pt") else []
    done = thalweg("measure", file, "--probe", probe, *named, *rest)
    assert done.status == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
