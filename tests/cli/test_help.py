"""thalweg COMMAND --help."""

import shlex
from collections.abc import Callable
from typing import Any

import pytest
import typer

from thalweg.cli import app

COMMAND: Any = typer.main.get_command(app)
COMMANDS = sorted(COMMAND.commands)
DATA = [f"data {name}" for name in COMMAND.commands["data"].commands]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_it(
    thalweg: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = thalweg(command, "--help")
    assert (done.status, done.stderr) == (0, "")
    assert "--help" in done.stdout
    if command in ("measure", "connect", "overlap", "export"):
        assert "STUDY/ARM[/POINT]/SEED" in done.stdout  # brackets are no markup


@pytest.mark.parametrize("command", [*COMMANDS, *DATA])
def test_every_help_ends_with_examples_that_can_be_given(
    thalweg: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = thalweg(*command.split(), "--help")
    assert done.status == 0
    head, *examples = [line.strip() for line in done.stdout.rpartition("Example")[2].splitlines()]
    examples = [line for line in examples if line]
    assert head in (":", "s:")
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example)
        assert program == "thalweg"
        assert example.startswith(f"thalweg {command}")
        parsed(COMMAND, arguments)


def parsed(command: Any, arguments: list[str]) -> None:
    """Check that a command takes the arguments; it is not run."""
    context = command.make_context("thalweg", list(arguments))
    if hasattr(command, "commands"):
        inner = command.commands[arguments[0]]
        parsed(inner, arguments[1:])
    assert context is not None
