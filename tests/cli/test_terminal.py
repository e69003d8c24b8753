"""Commands in a real terminal: interrupted, narrow, and with code that prints."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

SCRIPT = Path(sys.executable).parent / "thalweg"

USERS_MODULE = """
import time
from torch import nn

class Slow(nn.Sequential):
    def __init__(self, pause=0.05):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
        self.pause = pause

    def forward(self, x):
        if self.training and len(x) > 8:
            time.sleep(self.pause)
        if len(x) == 62:  # the last batch of an epoch
            print("hello from the model")
        return super().forward(x)
"""

SLOW = ("train", "slow:Slow", "digits", "--lr", "0.1", "--name", "slow", "--seeds", "2")


class Terminal:
    """A command in a terminal of its own, which it controls: Ctrl-C reaches all it started."""

    def __init__(self, arguments: tuple[str, ...], cwd: Path, columns: int = 100) -> None:
        (cwd / "slow.py").write_text(USERS_MODULE)
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [SCRIPT, *arguments],
            cwd=cwd,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**environment, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(terminal)
        os.set_blocking(self._master, False)
        self.text = ""

    def read(self) -> None:
        """Take what was printed so far."""
        try:
            while data := os.read(self._master, 65536):
                self.text += data.decode(errors="replace")
        except (BlockingIOError, OSError):
            pass  # nothing more yet, or the other side is closed

    def wait_until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.text
            self.read()
            time.sleep(0.02)

    def interrupt(self) -> None:
        os.write(self._master, b"\x03")

    def finish(self) -> int:
        self.wait_until(lambda: self.process.poll() is not None)
        self.read()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Give a function that runs a command in a terminal."""
    opened: list[Terminal] = []

    def run(*arguments: str, columns: int = 100) -> Terminal:
        opened.append(Terminal(arguments, tmp_path, columns))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


def plain(text: str) -> str:
    """Remove the sequences that colour text and move the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(
    tmp_path: Path, terminal: Callable[..., Terminal], thalweg: Callable[..., Any], jobs: str
) -> None:
    command = (*SLOW, "--epochs", "4", "--jobs", jobs)
    shown = terminal(*command)
    shown.wait_until(lambda: list(tmp_path.glob("thalweg-out/runs/*/checkpoint-*")))
    children = psutil.Process(shown.process.pid).children(recursive=True)
    assert len(children) == (2 if jobs == "2" else 0)
    shown.interrupt()
    assert shown.finish() == 130
    said = plain(shown.text)
    assert "stopped: 0 of 2 runs are complete and every finished epoch is kept" in said
    assert f"go on with the same command:\r\n  thalweg {' '.join(command)}\r\n" in said
    assert "Traceback" not in said
    assert "\x1b[?25h" in shown.text, "the cursor is still hidden"
    assert not psutil.wait_procs(children, timeout=1)[1]
    assert list(tmp_path.glob("thalweg-out/runs/*/checkpoint-*"))

    again = thalweg(*command)
    assert again.status == 0
    assert "2 done" in again.stdout


def test_ctrl_c_while_the_workers_start_prints_no_traceback(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal(*SLOW, "--jobs", "2")
    processes = psutil.Process(shown.process.pid)
    shown.wait_until(lambda: len(processes.children()) == 2)
    time.sleep(0.3)  # they are importing
    shown.interrupt()
    assert shown.finish() == 130
    assert "Traceback" not in shown.text
    assert "KeyboardInterrupt" not in shown.text


def test_the_progress_view_fits_a_narrow_terminal(terminal: Callable[..., Terminal]) -> None:
    shown = terminal(*SLOW, "--epochs", "1", "--jobs", "1", columns=60)
    assert shown.finish() == 0
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", plain(shown.text))]
    bars = [line for line in lines if line.startswith("all runs")]
    assert re.search(r"━ +2/2", bars[-1])
    assert [line for line in lines if "━" in line and len(line) > 60] == []


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, to see the screen as it is")
def test_what_workers_print_stands_above_the_bars(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(USERS_MODULE)
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    command = " ".join([str(SCRIPT), *SLOW, "--epochs", "6", "--jobs", "2"])
    start = [*tmux, "new-session", "-d", "-x", "80", "-y", "24", "-c", str(tmp_path), command]
    subprocess.run(start, check=True)
    try:
        screen: list[str] = []
        deadline = time.monotonic() + 200
        while screen.count("hello from the model") < 4 or "digits" not in screen[-1]:
            assert time.monotonic() < deadline, screen
            time.sleep(0.1)
            done = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True)
            screen = [line for line in done.stdout.splitlines() if line.strip()] or [""]
        *printed, total, first, second = screen
        assert set(printed) <= {"hello from the model"}
        assert re.fullmatch(r"all runs +[━╸╺]+ +\d+/12 +epochs [\d:-]+ 0/2 runs", total)
        for line in (first, second):
            assert line.startswith("digits · slow:Slow · sgd · se")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
