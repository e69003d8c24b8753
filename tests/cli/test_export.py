"""Exported files against the run they come from."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from tests.cli.conftest import one_core

from thalweg import Study
from thalweg.data import load_task
from thalweg.execute import Progress
from thalweg.export import export_run
from thalweg.sparsity.connectivity import Smaller
from thalweg.store import Store
from thalweg.store.files import read_json, write_json
from thalweg.study import build_study

DENSE = ["weights.pt", "weights.safetensors", "model.onnx"]
SPARSE = ["smaller.pt", "smaller.json", "smaller.onnx", "report.json"]


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a study of one sparse run."""
    folder = tmp_path_factory.mktemp("pruned") / "out"
    table = {
        "study": {"name": "pruned", "seeds": 1},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [48, 24]},
        "train": {"epochs": 12, "batch_size": 16},
        "optimizer": {"name": "adam", "lr": 0.003},
        "sparsity": {"name": "projection", "keep": 0.08},
    }
    with one_core():
        Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder


@pytest.fixture(scope="module")
def exported(pruned: Path) -> Path:
    """All files of that run."""
    folder = pruned.parent / "exported"
    (run,) = Store(pruned).runs()
    with one_core():
        found = export_run(run, folder, sparse=True)
    assert found.files == tuple(folder / name for name in DENSE + SPARSE)
    assert found.comparison == read_json(folder / "report.json")
    return folder


def status(out: Path) -> dict[str, Any]:
    (run,) = Store(out).runs()
    return run.status()


def predictions(model: Path, inputs: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(model)
    return torch.from_numpy(session.run(None, {"input": inputs.numpy()})[0])


def accuracy(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    return int((outputs.argmax(1) == targets).sum()) / len(targets)


ONLY_TORCH = """
import sys
import torch
from torch import nn

layers = nn.ModuleList([nn.Linear(64, 48), nn.Linear(48, 24), nn.Linear(24, 10)])
weights, examples = (torch.load(path, weights_only=True) for path in sys.argv[1:])
nn.ModuleDict({"layers": layers}).load_state_dict(weights)
x = examples["inputs"].flatten(1)
for layer in layers[:-1]:
    x = layer(x).relu()
assert not any(name.startswith("thalweg") for name in sys.modules)
correct = layers[-1](x).argmax(1) == examples["targets"]
print(int(correct.sum()) / len(correct))
"""


def test_a_process_with_pytorch_alone_gets_the_recorded_accuracy(
    exported: Path, pruned: Path, tmp_path: Path
) -> None:
    inputs, targets = load_task("digits", {}).test.batch(slice(None))
    torch.save({"inputs": inputs, "targets": targets}, tmp_path / "examples.pt")
    command = [sys.executable, "-c", ONLY_TORCH, exported / "weights.pt", tmp_path / "examples.pt"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert float(done.stdout) == status(pruned)["test_accuracy"] > 0.5


def test_safetensors_hold_the_same(exported: Path) -> None:
    weights = torch.load(exported / "weights.pt", weights_only=True)
    again = load_file(exported / "weights.safetensors")
    assert sorted(weights) == sorted(again)
    assert all(torch.equal(again[name], tensor) for name, tensor in weights.items())


def test_onnx_models_compute_the_same_for_any_number_of_examples(
    exported: Path, pruned: Path
) -> None:
    inputs, targets = load_task("digits", {}).test.batch(slice(None))
    masked = predictions(exported / "model.onnx", inputs)
    assert accuracy(masked, targets) == status(pruned)["test_accuracy"]
    for name in ("model.onnx", "smaller.onnx"):
        for batch in (1, 7, len(inputs)):
            outputs = predictions(exported / name, inputs[:batch])
            torch.testing.assert_close(outputs, masked[:batch], rtol=1e-4, atol=1e-5)


def test_the_smaller_network_is_smaller_and_agrees(exported: Path) -> None:
    description = read_json(exported / "smaller.json")
    assert description["input"] == [1, 8, 8]
    smaller = Smaller(description["layers"])
    smaller.load_state_dict(torch.load(exported / "smaller.pt", weights_only=True))
    inputs, targets = load_task("digits", {}).test.batch(slice(None))
    masked = predictions(exported / "model.onnx", inputs)
    with torch.no_grad():
        outputs = smaller(inputs)
    torch.testing.assert_close(outputs, masked, rtol=1e-4, atol=1e-5)

    report = read_json(exported / "report.json")
    agreement = report["agreement"]
    assert agreement["examples"] == agreement["equal_predictions"] == len(inputs)
    assert agreement["largest_difference"] < 1e-5
    assert agreement["smaller_accuracy"] == accuracy(outputs, targets)
    networks = report["networks"]
    assert list(networks) == ["dense", "masked", "smaller"]
    small = networks["smaller"]
    assert small["parameters"] == sum(p.numel() for p in smaller.parameters())
    assert small["bytes"] == (exported / "smaller.pt").stat().st_size
    assert networks["masked"]["bytes"] == (exported / "weights.pt").stat().st_size
    for key in ("parameters", "bytes", "flops"):
        assert small[key] < networks["masked"][key] == pytest.approx(networks["dense"][key])
    for network in networks.values():
        assert all(network["examples_per_second"][batch] > 0 for batch in ("1", "1000"))
    total = report["connectivity"]["total"]
    assert total["effective"] <= total["nonzero"] < total["weights"]
    assert total["dead"] + total["zombies"] > 0


def test_for_people_files_and_a_table(
    thalweg: Callable[..., Any], pruned: Path, tmp_path: Path
) -> None:
    (run,) = Store(pruned).runs()
    done = thalweg("export", run.id[:6], "--to", "deep/inside", "--sparse", "--out", pruned)
    assert (done.status, done.stderr) == (0, "")
    folder = tmp_path / "deep" / "inside"
    lines = done.stdout.splitlines()
    assert lines[:7] == [str(folder / name) for name in DENSE + SPARSE]
    assert sorted(path.name for path in folder.iterdir()) == sorted(DENSE + SPARSE)
    assert "examples/s at 1000" in done.stdout
    assert lines[-1].startswith("On 360 test examples the outputs of the masked and the smaller")
    assert lines[-1].endswith("; 360 predictions are equal.")


def test_as_json(thalweg: Callable[..., Any], pruned: Path, tmp_path: Path) -> None:
    done = thalweg("export", "pruned/adam/0", "--to", "there", "--out", pruned, "--json")
    assert (done.status, done.stderr) == (0, "")
    (run,) = Store(pruned).runs()
    files = [str(tmp_path / "there" / name) for name in DENSE]
    assert json.loads(done.stdout) == {"run": run.id, "files": files, "comparison": None}


def test_a_run_that_cannot_be_exported_is_told_in_a_sentence(
    thalweg: Callable[..., Any], out: Path, pruned: Path, tmp_path: Path
) -> None:
    def sentence(run: str, results: Path, to: str = "there") -> str:
        done = thalweg("export", run, "--to", to, "--out", results)
        assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        return done.stderr

    assert "unknown run 'small/sgd/lr=0.1/7'" in sentence("small/sgd/lr=0.1/7", out)
    assert "has none whose id begins so" in sentence("nothing", out)
    assert "diverged; only a run that is done" in sentence("small/sgd/lr=1e+30/0", out)

    copy = tmp_path / "copy"
    shutil.copytree(pruned, copy)
    (run,) = Store(copy).runs()
    recorded = run.status()
    (tmp_path / "file").write_text("")
    assert "--to file: cannot be made (File exists)" in sentence(run.id, copy, to="file")
    write_json(run.path / "status.json", {**recorded, "test_loss": 1e3})
    assert "the test loss was 1000 and now is" in sentence(run.id, copy)
    write_json(run.path / "status.json", {"status": "running", "cohort": [run.id]})
    assert "is not complete (status 'running'); run its study again" in sentence(run.id, copy)
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_told_with_how_to_install_it(
    thalweg: Callable[..., Any], pruned: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = thalweg("export", "pruned/adam/0", "--to", "there", "--out", pruned)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr == (
        f"thalweg: export: needs the package {package!r}; install it with "
        "pip install 'thalweg[onnx]'\n"
    )


def test_rounds_of_a_study(
    thalweg: Callable[..., Any], pruned_by_rounds: Store, tmp_path: Path
) -> None:
    command = ("export", "--study", "pruned", "--out", pruned_by_rounds.root, "--to", "there")
    found = json.loads(thalweg(*command, "--json").stdout)
    assert found["study"] == "pruned"
    assert str(tmp_path / "there" / "first-seed0_sparsity_log.csv") in found["files"]
    assert all(Path(path).exists() for path in found["files"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "export: needs a run and --to FOLDER, or --study NAME"),
        (("ticket/0",), "export: needs a run and --to FOLDER, or --study NAME"),
        (("ticket/0", "--study", "pruned"), "--study pruned: must be given without a run"),
        (("ticket/0", "--to", "there", "--prefix", "p"), "--prefix: must be given with --study"),
        (("ticket/0", "--to", "there", "--analysis"), "--analysis: must be given with --study"),
        (("--study", "pruned", "--prefix", "p"), "--prefix p: must be left out for several arms"),
        (("--study", "pruned", "--analysis"), "must be a chain of layers with recurrent ones"),
        (("--study", "prunes"), "unknown study 'prunes'; did you mean 'pruned'?"),
    ],
)
def test_rounds_asked_for_wrongly(
    thalweg: Callable[..., Any], pruned_by_rounds: Store, arguments: tuple[str, ...], reason: str
) -> None:
    done = thalweg("export", *arguments, "--out", pruned_by_rounds.root)
    assert (done.status, done.stdout) == (2, "")
    assert reason in done.stderr and done.stderr.count("\n") == 1
