"""thalweg init: five questions and a study file."""

import builtins
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from thalweg.optim import OPTIMIZERS
from thalweg.study import build_study
from thalweg.writing import study_schema

OWN = """
import torch

class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 10))

class Slow(torch.optim.SGD):
    def __init__(self, params, lr=0.02):
        super().__init__(params, lr)
"""


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Give a function that sets what is answered, and returns the list of questions asked."""

    def answer(*answers: Any) -> list[str]:
        asked: list[str] = []
        left = iter(answers)

        def next_answer(question: str) -> str:
            asked.append(question)
            found = next(left, EOFError())
            if isinstance(found, BaseException):
                raise found
            return str(found)

        monkeypatch.setattr(builtins, "input", next_answer)
        return asked

    return answer


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def test_enter_five_times_is_a_study(
    thalweg: Callable[..., Any], answering: Callable[..., list[str]], tmp_path: Path
) -> None:
    asked = answering("", "", "", "", "")
    done = thalweg("init")
    assert (done.status, done.stderr) == (0, "")
    assert asked == ["    [digits] ", "    [mlp] ", "    [sgd, adam] ", "    [usual] ", "    [3] "]
    lines = done.stdout.splitlines()
    assert [line[:3] for line in lines[:5]] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert all(len(line) <= 80 for line in lines)
    assert lines[5] == "wrote study.toml: 30 runs of 2 arms"
    table = read(tmp_path / "study.toml")
    assert table["study"]["name"] == "study"
    assert table["arms"]["adam"]["optimizer"] == {
        "name": "adam",
        "lr": [0.0001, 0.0003, 0.001, 0.003, 0.01],
    }
    assert "--trust" not in done.stdout


def test_wrong_answers_are_asked_again_with_a_sentence(
    thalweg: Callable[..., Any], answering: Callable[..., list[str]], tmp_path: Path
) -> None:
    wrong = ["digit", "digits", "lenet", "mlp", "sgd, adm", "sgd", "0, 1", "1e-3..1:log", "0.1"]
    answering(*wrong, "none", "0", "2")
    done = thalweg("init", "a b.toml", "--epochs", 1)
    assert done.status == 0
    for sentence in (
        "  unknown task 'digit'; did you mean 'digits'? (allowed: digits, sine, ",
        "  unknown model 'lenet'; did you mean 'lenet5'? (allowed: ",
        "  unknown optimizer 'adm'; did you mean 'adam'? (allowed: ",
        "  lr = '0': must be a number greater than 0, ",
        "  lr = '1e-3..1:log': must have a number of points",
        "  seeds = none: must be a number of seeds",
        "  seeds = 0: must be from 1 to 100000",
    ):
        assert sentence in done.stdout
    assert read(tmp_path / "a b.toml")["study"] | {"title": ""} == {
        "name": "a-b",
        "title": "",
        "question": "",
        "seeds": 2,
    }


def test_a_network_that_does_not_fit_the_task_is_asked_again(
    thalweg: Callable[..., Any], answering: Callable[..., list[str]], tmp_path: Path
) -> None:
    answering("lenet5", "mlp")
    done = thalweg("init", "--task", "sine", "--optimizer", "adam", "--lr", 0.01, "--seeds", 1)
    assert done.status == 0
    assert "lenet5" in done.stdout.partition("wrote")[0]
    assert read(tmp_path / "study.toml")["task"] == {"name": "sine", "validation": 20}


@pytest.mark.parametrize("answered", range(5))
def test_the_end_of_the_input_and_ctrl_c_leave_no_file(
    answered: int,
    thalweg: Callable[..., Any],
    answering: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    answering(*[""] * answered)
    done = thalweg("init")
    assert done.status == 2
    assert done.stderr == (
        "thalweg: the questions were not answered to the end, so nothing was written; give --yes, "
        "or the answers as options\n"
    )
    answering(*[""] * answered, KeyboardInterrupt())
    done = thalweg("init")
    assert (done.status, done.stderr) == (130, "\nstopped: nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal(tmp_path: Path) -> None:
    command = [Path(sys.executable).parent / "thalweg", "init"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert done.stderr.startswith("thalweg: the questions were not answered")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--task", "digit"), "unknown task 'digit'; did you mean 'digits'?"),
        (("--model", "lenet"), "unknown model 'lenet'"),
        (("--task", "sine", "--model", "lenet5"), "lenet5"),
        (("--optimizer", ","), "optimizer: needs a name"),
        (("--lr", "fast"), "lr = 'fast': must be a number greater than 0"),
        (("--lr", "1..1e-3:5"), "lr = '1..1e-3:5': must be LOW..HIGH"),
        (("--seeds", "[1, 2]"), "seeds = [1, 2]: must be a number of seeds"),
        (("--epochs", "0"), "train.epochs = 0: must be at least 1"),
    ],
)
def test_a_wrong_option_ends_it(
    option: tuple[str, ...], sentence: str, thalweg: Callable[..., Any], tmp_path: Path
) -> None:
    done = thalweg("init", "--yes", *option)
    assert done.status == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_without_force(thalweg: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("mine")
    done = thalweg("init", "--yes")
    assert done.status == 2
    assert done.stderr == (
        "thalweg: study.toml: exists; give --force to overwrite it, or another path\n"
    )
    assert (tmp_path / "study.toml").read_text() == "mine"
    assert thalweg("init", "--yes", "--force").status == 0
    assert read(tmp_path / "study.toml")["study"]["seeds"] == 3
    assert thalweg("init", "--yes", ".").status == 2


def test_a_schema_beside_it_is_named_in_the_first_line(
    thalweg: Callable[..., Any], tmp_path: Path
) -> None:
    assert thalweg("init", "--yes", "--schema").status == 0
    path = tmp_path / "study.toml"
    assert path.read_text().startswith("#:schema ./thalweg.schema.json\n")
    printed = thalweg("schema").stdout
    assert (tmp_path / "thalweg.schema.json").read_text("utf-8") == printed
    assert list(Draft7Validator(json.loads(printed)).iter_errors(read(path))) == []
    assert thalweg("init", "--yes", "other.toml").status == 0
    assert (tmp_path / "other.toml").read_text().startswith("#:schema ")
    assert thalweg("schema", "--out", "s.json").stdout == "wrote s.json\n"
    assert (tmp_path / "s.json").read_text("utf-8") == printed


COMBINATIONS = [
    (task, model, rates)
    for task, models in {
        "digits": ("mlp", "lenet5", "lenet5-tanh", "rnn"),
        "sine": ("mlp",),
        "mnist": ("lenet5", "rnn"),
        "fashion-mnist": ("mlp", "lenet5-tanh"),
    }.items()
    for model in models
    for rates in (("usual", "0.1", "1e-3..1:4") if task == "sine" else ("usual",))
]


def test_every_combination_is_a_study_that_the_schema_accepts(
    thalweg: Callable[..., Any], tmp_path: Path
) -> None:
    validator = Draft7Validator(study_schema())
    every = ",".join([*OPTIMIZERS.names(), "torch.optim:Adam", "torch.optim:SGD"])
    for task, model, rates in COMBINATIONS:
        given = ("--task", task, "--model", model, "--lr", rates, "--optimizer", every)
        done = thalweg("init", "--yes", "--force", *given, "--seeds", 2)
        assert (done.status, done.stderr) == (0, ""), (task, model, rates)
        table = read(tmp_path / "study.toml")
        assert list(validator.iter_errors(table)) == []
        del table["presets"]
        assert len(build_study(table).specs) > 2 * len(OPTIMIZERS.names())


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--model", "lenet5", "--optimizer", "sgd_eg,muon,lbfgs"),
        ("--model", "rnn", "--optimizer", "torch.optim:RMSprop", "--lr", "1e-3,1e-2"),
        ("--task", "sine", "--optimizer", "prodigy,exact_line_search"),
        ("--model", "own:Net", "--optimizer", "own:Slow"),
    ],
)
def test_a_dry_run_of_what_it_wrote(
    given: tuple[str, ...], thalweg: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    done = thalweg("init", "--yes", "--json", *given)
    assert done.status == 0, done.stderr
    command = json.loads(done.stdout)["next"].split()
    assert ("--trust" in command) == ("own:Net" in given)
    dry = thalweg(*command[1:], "--dry-run", "--jobs", 1)
    assert dry.status == 0, dry.stderr
    assert "to train" in dry.stdout


def test_it_runs_with_learning_rates_found_by_a_ramp(
    thalweg: Callable[..., Any], tmp_path: Path
) -> None:
    done = thalweg("init", "--yes", "--optimizer", "sgd,coin", "--lr", "find")
    assert done.status == 0
    assert "sgd: the loss falls steepest at " in done.stderr
    lr = read(tmp_path / "study.toml")["arms"]["sgd"]["optimizer"]["lr"]
    low, high = (float(end) for end in lr.partition(":")[0].split(".."))
    assert 1e-4 < low < high < 10
    ran = thalweg("run", "study.toml", "--preset", "quick", "--jobs", 1)
    assert ran.status == 0
    assert (tmp_path / "thalweg-out/studies/study-quick/report/index.html").exists()
