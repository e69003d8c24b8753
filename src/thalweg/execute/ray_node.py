"""What Ray runs on a node: an actor that starts a worker process there and passes on its events.

It is sent by value, so that a node without Thalweg, or with another version, can say so, and the
actor itself stays small: it imports Python's own library and Ray alone, and nothing of Thalweg.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray

Event = dict[str, Any]

POLL_SECONDS = 10.0
"""The longest that a call waits for an event."""


class Node:
    """One worker process on one node.

    Every method may be called again with the same arguments, for an answer can be lost on its way.
    """

    def __init__(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="thalweg-worker-"))
        self._events: list[Event] = []
        self._first = 0
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._sent = 0
        self._given: dict[str, tuple[int, int]] = {}

    def place(self) -> tuple[str, str]:
        """Return the address and the id of the node."""
        return ray.util.get_node_ip_address(), ray.get_runtime_context().get_node_id()

    def lives(self) -> bool:
        """Return whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, program: str, settings: Mapping[str, Any]) -> None:
        """Start the process: Python on a program, which reads settings from its first line."""
        if self._process is not None:
            return
        threads = str(settings["threads"])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            start_new_session=True,  # so that it ends together with what it has started itself
        )
        told = threading.Thread(target=self._forward, args=(self._process,), daemon=True)
        said = threading.Thread(target=self._relay, args=(self._process,), daemon=True)
        watching = threading.Thread(
            target=self._watch, args=(self._process, told, said), daemon=True
        )
        for thread in (told, said, watching):
            thread.start()
        self.send(0, json.dumps({**settings, "scratch": str(self._scratch / "store")}))

    def send(self, number: int, line: str) -> None:
        """Write a line to the process; the first is of number 0, and none is written twice."""
        assert self._process is not None and self._process.stdin is not None
        if number < self._sent:
            return
        self._sent = number + 1
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its death arrives as an event

    def events(self, seen: int) -> list[Event]:
        """Return the events after the first ``seen``, and wait for one where there is none."""
        with self._news:
            del self._events[: seen - self._first]
            self._first = seen
            if not self._events:
                self._news.wait(POLL_SECONDS)
            return list(self._events)

    def keep_data(self, name: str, files: Sequence[Any]) -> str:
        """Return a folder that has the given files, which are written where no other worker of the
        node has done so.

        Args:
            name: Names the content.
            files: A reference to them: by relative path their bytes. It is in a sequence so that
                Ray fetches it only where it is needed.
        """
        root = Path(tempfile.gettempdir()) / f"thalweg-data-{os.getuid()}"
        root.mkdir(mode=0o700, exist_ok=True)
        if root.stat().st_uid != os.getuid():
            raise PermissionError(f"{root} is another user's")
        folder = root / name
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                aside = Path(tempfile.mkdtemp(dir=root))
                write_files(aside, ray.get(files[0]))
                aside.rename(folder)
        return str(folder)

    def keep_code(self, files: Mapping[str, bytes]) -> str:
        """Write modules by relative path; return the folder to import them from."""
        folder = self._scratch / "code"
        write_files(folder, files)
        return str(folder)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files of runs, by their paths in a results folder, in place of what there was."""
        store = self._scratch / "store"
        shutil.rmtree(store / "runs", ignore_errors=True)
        write_files(store, files)
        self._given = {path: _version(store / path) for path in files}

    def take(self, runs: Sequence[str]) -> dict[str, bytes]:
        """Return the files of runs that were not given, or are not what was given any more."""
        store = self._scratch / "store"
        found = {}
        for run in runs:
            for path in sorted((store / "runs" / run).rglob("*")):
                name = path.relative_to(store).as_posix()
                whole = path.is_file() and not path.name.startswith(".")
                if whole and self._given.get(name) != _version(path):
                    found[name] = path.read_bytes()
        return found

    def end(self) -> None:
        """End the process, whatever it is at; what it has written can still be taken."""
        if self._process is not None and self.lives():
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()

    def leave(self) -> None:
        """Remove what is left on the node."""
        self.end()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _tell(self, event: Event) -> None:
        with self._news:
            self._events.append(event)
            self._news.notify_all()

    def _forward(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                try:
                    self._tell(json.loads(line))
                except ValueError:
                    return  # cut off in the midst of a line

    def _relay(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._tell({"event": "said", "line": line})

    def _watch(
        self,
        process: "subprocess.Popen[str]",
        told: threading.Thread,
        said: threading.Thread,
    ) -> None:
        status = process.wait()
        told.join(timeout=1)  # a child of its own may hold the pipe open
        said.join(timeout=1)
        self._tell({"event": "dead", "status": status})


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _version(path: Path) -> tuple[int, int]:
    """Return what changes when a file is replaced or written to."""
    known = path.stat()
    return known.st_ino, known.st_mtime_ns
