"""thalweg overlap, of files of masks and of runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.conftest import one_core

from thalweg import Study
from thalweg.execute import Progress
from thalweg.sparsity import load_masks, save_masks
from thalweg.sparsity.overlap import chance_hamming, chance_jaccard, hamming, jaccard
from thalweg.sparsity.topology import chance_topology_distance, topology_distance
from thalweg.study import build_study

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of two networks pruned to a half, and of the dense ones."""
    folder = tmp_path_factory.mktemp("pruned") / "out"
    table = {
        "study": {"name": "half", "seeds": 2},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [8]},
        "train": {"epochs": 1, "batch_size": 64},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "arms": {"dense": {}, "imp": {"sparsity": {"name": "imp", "keep": [0.5]}}},
    }
    with one_core():
        Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder


def test_runs_and_files_pair_by_pair(thalweg: Run, pruned: Path) -> None:
    (first, second) = (
        load_masks(path)
        for path in sorted(pruned.glob("runs/*/masks.safetensors"), key=lambda p: _seed(p.parent))
    )
    opposite = {name: ~mask for name, mask in first.items()}
    save_masks("opposite.pt", opposite)
    what = ["half/imp/0", "half/imp/1", "opposite.pt"]
    done = thalweg("overlap", *what, "--out", pruned, "--draws", 2, "--seed", 5, "--json")
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["draws"], found["seed"]) == (2, 5)
    pairs = [(first, second), (first, opposite), (second, opposite)]
    names = [(a["first"], a["second"]) for a in found["pairs"]]
    assert names == [(what[0], what[1]), (what[0], what[2]), (what[1], what[2])]
    for row, pair in zip(found["pairs"], pairs, strict=True):
        expected = [
            *(jaccard(*pair), chance_jaccard(*pair), hamming(*pair), chance_hamming(*pair)),
            *(topology_distance(*pair), chance_topology_distance(*pair, 2, 5)),
        ]
        assert [*row.values()][2:] == pytest.approx(expected)
    assert (found["pairs"][1]["jaccard"], found["pairs"][1]["hamming"]) == (0, 1)
    done = thalweg("overlap", *what, "--out", pruned)
    assert done.status == 0, done.stderr
    assert "topology_by_chance" in done.stdout and "opposite.pt" in done.stdout


def _seed(run: Path) -> int:
    return int(json.loads((run / "spec.json").read_text())["seed"])


BAD = [
    (["one.pt"], "one.pt: must be compared with at least one other"),
    (["one.pt", "absent.pt"], "absent.pt: does not exist"),
    (["one.pt", "values.pt"], "values.pt: the mask of 'a.weight' must hold nothing but 0 and 1"),
    (["one.pt", "wide.pt"], "masks of {'a.weight': (2, 3)}: must be of the parameters {'a.w"),
    (["one.pt", "half/dense/0"], "half/dense/0: has no mask"),
]


@pytest.mark.parametrize(("what", "said"), BAD, ids=[" ".join(what) for what, _ in BAD])
def test_wrong_input_gets_a_sentence(
    thalweg: Run, pruned: Path, what: list[str], said: str
) -> None:
    save_masks("one.pt", {"a.weight": torch.ones(2, 2, dtype=torch.bool)})
    save_masks("wide.pt", {"a.weight": torch.ones(2, 3, dtype=torch.bool)})
    torch.save({"a.weight": torch.full((2, 2), 0.5)}, "values.pt")
    done = thalweg("overlap", *what, "--out", pruned)
    assert (done.status, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
