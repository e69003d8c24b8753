"""The commands of docs/compatibility.md, every one of them, at tiny size."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from thalweg.report import write

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
EPOCHS = 5
"""As many are the rounds' epochs of which the page names the files."""


@dataclass(frozen=True)
class Block:
    """Commands of the page, and the files that they promise with the columns these begin with."""

    title: str
    commands: tuple[tuple[str, ...], ...]
    files: dict[str, str | None]


def blocks() -> list[Block]:
    found = []
    for text in re.findall(r"^```bash\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S):
        lines = text.replace("\\\n", " ").splitlines()
        title = lines[0].removeprefix("# ")
        commands = tuple(tuple(shlex.split(line)) for line in lines if line.startswith("thalweg "))
        promised = re.findall(r"^# (\S+\.(?:csv|pth?|png))(?:: (.+))?$", text, re.M)
        found.append(Block(title, commands, {path: columns or None for path, columns in promised}))
    return found


BLOCKS = blocks()


def tiny(command: tuple[str, ...]) -> list[str]:
    """Return a command with its sizes made small: epochs, examples, units, points of a grid."""
    program, verb, *words = command
    assert program == "thalweg"
    for place, (option, value) in enumerate(pairwise(words), start=1):
        if option == "--epochs":
            words[place] = str(min(int(value), EPOCHS))
        elif option == "--examples":
            words[place] = "64"
        elif option == "--lr" and value.startswith("["):
            rates = value.strip("[]").split(",")
            words[place] = f"[{rates[0]}, {rates[-1]}]"
        elif option == "--model" and value == "rnn":
            words[place] = '{name="rnn", hidden=6}'
        elif option == "--set" and value.startswith("probes"):
            words[place] = value.replace("last:30", "last:2").replace("5000", "64")
    more = []
    if verb in ("train", "prune", "run"):
        more = ["--jobs", "1"]
        if "rnn" in words or verb == "run":
            more += ["--set", "model.hidden=6"]
        if "sine" not in words:
            more += ["--set", "task.examples=64"]
    if verb == "run":
        more += ["--set", "probes=[]"]
    if "graph" in words:
        more += ["--set", "nulls=2"]
    return [verb, *words, *more]


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the charts of the studies' reports undrawn, which take longer than all else."""
    monkeypatch.setattr(write, "sections", lambda *_: [])


def is_long(block: Block) -> bool:
    """Whether a block trains a whole recipe or a grid of prunings."""
    return any(command[1] == "run" or "eg_lr" in command for command in block.commands)


@pytest.mark.figures
@pytest.mark.usefixtures("without_charts")
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(each, id=each.title[:40], marks=[pytest.mark.slow] if is_long(each) else [])
        for each in BLOCKS
    ],
)
def test_commands_do_what_the_page_says(
    block: Block, thalweg: Callable[..., Any], real_data: Callable[..., Any], tmp_path: Path
) -> None:
    text = " ".join(word for command in block.commands for word in command)
    for task in ("fashion-mnist", "mnist"):
        if re.search(rf"(?<!-){task}\b", text) or (task == "fashion-mnist" and "eg-vs-gd" in text):
            real_data(task)
    for command in block.commands:
        done = thalweg(*tiny(command))
        assert done.status == 0, done.stderr
    assert block.files
    for name, columns in block.files.items():
        path = tmp_path / name
        assert path.exists(), sorted(str(p.relative_to(tmp_path)) for p in path.parent.glob("*"))
        if columns is not None:
            head, *rows = path.read_text("utf-8").splitlines()
            assert head.startswith(columns)
            assert rows
        elif path.suffix != ".csv":
            check(path)


def check(path: Path) -> None:
    """Check that a file of tensors or a picture is one."""
    if path.suffix == ".png":
        assert path.read_bytes().startswith(b"\x89PNG")
        return
    tensors = torch.load(path, weights_only=True)
    assert any(values.any() for values in tensors.values())
