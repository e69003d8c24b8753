"""thalweg ui: what the command refuses, and how it is started and ended."""

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thalweg.cli import main, ui

SCRIPT = Path(sys.executable).parent / "thalweg"


@contextmanager
def serving(out: Path, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run the command on a free port; give the address that it tells, and the process."""
    command = [str(SCRIPT), "ui", "--out", str(out), "--no-open", "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, process.communicate())
        yield found[0], process
    finally:
        process.kill()
        process.communicate()


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["thalweg", "ui", "--no-open", *arguments])
        main()
    assert end.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    return told.err


def test_what_it_refuses(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("--out", str(small))
    assert "no results folder" in refused("--out", str(tmp_path / "nope"), capsys=capsys)
    assert "--host no.such.host" in refused(*out, "--host", "no.such.host.invalid", capsys=capsys)
    assert "no address of this machine" in refused(*out, "--host", "203.0.113.1", capsys=capsys)
    assert "must not be empty" in refused(*out, "--token", "", capsys=capsys)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"--port {port}: is taken" in refused(*out, "--port", port, capsys=capsys)
    monkeypatch.setattr(ui, "find_spec", lambda name: None)
    assert "pip install 'thalweg[ui]'" in refused(*out, capsys=capsys)


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_it_answers_until_it_is_interrupted(small: Path) -> None:
    with serving(small) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        assert "token" not in address
        assert status(address) == 200
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")


@pytest.mark.slow
def test_other_machines_need_a_token(small: Path) -> None:
    with serving(small, "--host", "0.0.0.0") as (address, _):
        port = address.split(":")[2].partition("/")[0]
        token = address.partition("?token=")[2]
        assert len(token) >= 32
        assert status(f"http://127.0.0.1:{port}/") == 403
        assert status(f"http://127.0.0.1:{port}/?token={token}") == 200


def test_the_next_free_port_is_taken(small: Path) -> None:
    from thalweg.ui import server

    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        patch.setattr(server, "PORT", port)
        place = server.claim("127.0.0.1", None, None)
        try:
            assert port < place.socket.getsockname()[1] < port + server.PORTS_TRIED
        finally:
            place.socket.close()
