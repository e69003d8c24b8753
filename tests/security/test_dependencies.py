"""The audit of what is installed finds what it is for, and needs no network."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def dependencies(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(HERE))
    import dependencies

    return dependencies


def test_what_is_not_pinned_is_named(dependencies: ModuleType) -> None:
    pins = dependencies.pinned("# a list\nA_b==1.0\nc==2.0 ; python_version > '3'\nd==3\n")
    assert pins == {"a-b": "1.0", "c": "2.0", "d": "3"}
    found = {"a-b": "1.0", "c": "2.1", "d": "3+cpu", "e": "4", "thalweg": "0"}
    assert dependencies.unpinned(found, pins) == [
        "c 2.1: constraints.txt pins 2.0",
        "e 4: constraints.txt does not pin it",
    ]


def test_what_the_package_needs_is_found(dependencies: ModuleType) -> None:
    versions, faults = dependencies.needed("thalweg", frozenset())
    assert faults == []
    assert {"torch", "numpy", "polars", "pyarrow", "typer", "sympy"} <= versions.keys()
    assert "pytest" not in versions


def test_without_a_network_there_is_a_word_and_no_failure(
    dependencies: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **options: object) -> object:
        return subprocess.CompletedProcess(command, 1, "", "Traceback\nConnectionError: no route\n")

    monkeypatch.setattr(dependencies, "find_spec", lambda name: sys)
    monkeypatch.setattr(dependencies.subprocess, "run", run)
    assert dependencies.advisories({"a"}) == (
        True,
        "advisories: could not be had (ConnectionError: no route)",
    )
    known = '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}]}'
    done = subprocess.CompletedProcess([], 1, known, "")
    monkeypatch.setattr(dependencies.subprocess, "run", lambda command, **options: done)
    clean, told = dependencies.advisories({"a"})
    assert not clean and told.startswith("a 1: X-1\n")
    assert dependencies.advisories({"b"})[0], "a is not needed by the package"
