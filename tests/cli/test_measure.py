"""thalweg measure, on a run and on anyone's files, in a real process's place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.cli.conftest import one_core

from thalweg import Study, measure
from thalweg.execute import Progress
from thalweg.export.trained import load_trained
from thalweg.models import build_model
from thalweg.sparsity import prune, save_masks, to_torch
from thalweg.store import Store
from thalweg.study import build_study

KEYS = {
    *("eigenvalues", "residuals", "converged", "products", "gap", "ratio"),
    *("gap_error", "ratio_error", "errors", "examples", "seed"),
}
NETWORK = ["--model", '{name="mlp", widths=[12]}', "--task", "digits"]

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured") / "out"
    table = {
        "study": {"name": "measured", "seeds": 1},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [12]},
        "train": {"epochs": 3, "batch_size": 64},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "arms": {"a": {}},
    }
    with one_core():
        Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder


@pytest.fixture
def weights(out: Path) -> dict[str, torch.Tensor]:
    (run,) = Store(out).runs()
    return dict(load_trained(run, None).module.state_dict())


def test_a_run_s_hessian(thalweg: Run, out: Path) -> None:
    done = thalweg("measure", "measured/a/0", "--out", out, "--top", 3, "--json")
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert found["eigenvalues"] == sorted(found["eigenvalues"], reverse=True)
    assert len(found["eigenvalues"]) == len(found["residuals"]) == 3
    assert all(found["converged"])
    assert found["gap"] == pytest.approx(found["eigenvalues"][0] - found["eigenvalues"][1])
    assert found["ratio"] > 1

    (run,) = Store(out).runs()
    trained = load_trained(run, None)
    assert found["examples"] == len(trained.task.train)
    in_python = measure.hessian(trained.module, trained.task).top(3)
    assert found["eigenvalues"] == pytest.approx(in_python.values[0].tolist(), rel=1e-5)


def test_several_probes_for_people(thalweg: Run, out: Path) -> None:
    done = thalweg(
        *("measure", "measured/a/0", "--out", out, "--probe", "hessian,trace,density"),
        *("--examples", 500, "--set", "steps=20", "--matrix", "gauss_newton"),
    )
    assert done.status == 0, done.stderr
    for text in ("eigenvalues", "residuals", "converged", "trace ", "error ", "density: mean "):
        assert text in done.stdout


def test_many_figures_of_each_layer_are_a_table_on_its_side(thalweg: Run, out: Path) -> None:
    done = thalweg("measure", "measured/a/0", "--out", out, "--probe", "weights")
    assert done.status == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.split()}
    assert rows["layer"] == ["layers.0.weight", "layers.1.weight", "all"]
    assert rows["count"] == ["768", "120", "888"]
    assert {"median", "best", "stable_rank", "flipped", "moved"} <= set(rows)
    assert "log10_counts" in done.stdout and "are printed with --json" in done.stdout


@pytest.mark.parametrize(
    "file", ["plain.pt", "plain.pth", "plain.safetensors", "nested.pt", "parallel.pt", "pruned.pt"]
)
def test_anyone_s_weights(
    thalweg: Run, out: Path, weights: dict[str, torch.Tensor], file: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    if file == "nested.pt":
        torch.save({"epoch": 3, "state_dict": weights}, path)
    elif file == "parallel.pt":
        torch.save({f"module.{name}": tensor for name, tensor in weights.items()}, path)
    elif file == "pruned.pt":
        module = build_model("mlp", {"widths": [12]}, (64,), 10, 0, None)
        module.load_state_dict(weights)
        to_torch(module, prune(module, target=0.0))
        torch.save(module.state_dict(), path)
    elif file.endswith("safetensors"):
        save_file(weights, path)
    else:
        torch.save(weights, path)
    of_run = thalweg("measure", "measured/a/0", "--out", out, "--json")
    of_file = thalweg("measure", path, *NETWORK, "--json")
    assert of_file.status == 0, of_file.stderr
    assert json.loads(of_file.stdout) == json.loads(of_run.stdout)


def test_a_layer_and_the_support_of_a_mask(
    thalweg: Run, out: Path, weights: dict[str, torch.Tensor]
) -> None:
    layer = thalweg("measure", "measured/a/0", "--out", out, "--parameters", "layers.1.*", "--json")
    assert layer.status == 0, layer.stderr
    save_masks("mask.pt", {"layers.0.weight": torch.zeros(12, 64, dtype=torch.bool)})
    masked = thalweg("measure", "measured/a/0", "--out", out, "--mask", "mask.pt", "--json")
    assert masked.status == 0, masked.stderr
    whole = thalweg("measure", "measured/a/0", "--out", out, "--json")
    first = [json.loads(each.stdout)["eigenvalues"][0] for each in (layer, masked, whole)]
    assert first[0] < first[1] < first[2]  # of ever larger principal submatrices


BAD = [
    ("measure measured/a/0 --probe hesian", "unknown probe 'hesian'; did you mean 'hessian'?"),
    ("measure measured/a/0 --top 0", "top = 0: must be at least 1"),
    ("measure measured/a/0 --top 9999", "top = 9999: must be from 1 to the 910 weights"),
    ("measure measured/a/0 --matrix fisher", "--matrix fisher: must be one of hessian,"),
    ("measure measured/a/0 --examples 9999", "examples = 9999: must be from 1 to the"),
    ("measure measured/a/0 --examples many", "--examples many: must be a whole number"),
    ("measure measured/a/0 --split all", "split = 'all': must be one of train,"),
    ("measure measured/a/0 --parameters fc*", "'fc*' matches none of layers.0.weight"),
    ("measure measured/a/0 --mask absent.pt", "absent.pt"),
    ("measure measured/a/0 --set steps", "--set steps: must be KEY=VALUE"),
    ("measure measured/a/0 --set stepz=3", "stepz: is no option of hessian (allowed: end,"),
    ("measure measured/a/0 --set tolerance=2", "tolerance = 2: must be less than 1"),
    ("measure measured/a/0 --probe weights --set tail=1", "tail = 1: must be less than 1"),
    (
        "measure measured/a/0 --probe similarity --set compared=3",
        "compared = 3: must be at least 4",
    ),
    ("measure measured/a/0 --model mlp", "--model mlp: must be left out for a run"),
    ("measure measured/b/0", "b"),
    ("measure absent.pt --model mlp --task digits", "absent.pt: does not exist"),
    ("measure weights.pt", "weights.pt: a file of weights needs --model and --task"),
    ("measure weights.pt --model mlp --task digits", "weights.pt: "),
    ("measure broken.pt --model mlp --task digits", "broken.pt: is no readable state dict"),
    ("measure list.pt --model mlp --task digits", "list.pt: must hold tensors by parameter name"),
    ("measure nan.pt --model mlp --task digits", "the weights are not finite"),
]


@pytest.mark.parametrize(("command", "said"), BAD, ids=[command for command, _ in BAD])
def test_wrong_input_gets_a_sentence(thalweg: Run, out: Path, command: str, said: str) -> None:
    own = build_model("mlp", {}, (64,), 10, 0, None).state_dict()
    torch.save({"a": torch.zeros(3)}, "weights.pt")
    torch.save([1, 2], "list.pt")
    torch.save({name: torch.full_like(w, torch.nan) for name, w in own.items()}, "nan.pt")
    Path("broken.pt").write_bytes(b"no file of weights")
    done = thalweg(*command.split(), "--out", out)
    assert done.status == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
