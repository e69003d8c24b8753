"""thalweg COMMAND --help."""

from collections.abc import Callable
from typing import Any

import pytest
import typer

from thalweg.cli import app

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


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
