"""A results folder at a URL (``s3://bucket/prefix``): a folder of this machine that mirrors it.

All work is done in the mirror. What other machines have put to the URL is fetched when the mirror
is opened; what is completed here is put there when it is, and at the end. A run goes as a whole,
its status last, so at the URL too a run is complete exactly when it says so.
"""

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from thalweg.errors import ThalwegError
from thalweg.store.arrived import STATUS, faults
from thalweg.store.files import DamagedError, read_json, write_whole
from thalweg.store.lease import Lease
from thalweg.store.run_directory import COMPLETE
from thalweg.store.state import file_state
from thalweg.validation import brief

TOGETHER = 2**26
"""Bytes that are fetched at a time."""

PUSH_SECONDS = 5.0
"""Between two looks for what has been completed."""

WRITERS = 8
"""Files of the mirror that are written at a time."""

WAIT_SECONDS = 120.0
"""How long the end of a command waits for another one that writes to the same place."""

MARKER = "store.json"

_OURS = re.compile(
    r"store\.json|studies(/[^/\\.][^/\\]*)+|runs/[0-9a-f]{16}/(spec\.json|status\.json|"
    r"(metrics|confusion)\.parquet|(final|masks|snapshot-[\w.-]+)\.safetensors|"
    r"probes/\w[\w.-]*\.(json|parquet))"
)
"""Names of the files that are fetched and put, and no others: none leads out of the folder."""


class Mirror:
    """A results folder at a URL and its mirror.

    Args:
        url: As the user gave it.
        files: The file system, of fsspec.
        base: The folder's path in it.
        folder: Where the mirror lies: the results in ``out``, beside what is known of both.

    Attributes:
        url: The URL.
        root: The results folder that mirrors it.
        trouble: Why the last attempt to put something there has failed; None if it has not.
    """

    def __init__(self, url: str, files: Any, base: str, folder: Path) -> None:
        self.url = url
        self.root = folder / "out"
        self.trouble: str | None = None
        self._files = files
        self._base = base.rstrip("/")
        self._lease = Lease(files, f"{self._base}/lease.json")
        self._known_path = folder / "known.json"
        self._known: dict[str, list[str]] = {}
        self._there: dict[str, tuple[int, str]] = {}
        self._done: dict[str, str] = {}
        self._turn = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def fetch(self) -> None:
        """Fetch what is there and not here: complete runs, what was measured of them, studies.

        Raises:
            Exception: Whatever the file system raises.
        """
        with suppress(OSError, ValueError):
            self._known = json.loads(self._known_path.read_text())
        self._list()
        others = [
            name for name in self._there if not name.startswith("runs/") and self._newer(name)
        ]
        self._get(others)
        self._note_studies(others)
        for names in self._parts(self._lacking()):
            self._get(names)
        self._save()

    def watch(self) -> None:
        """Put runs there as they are completed, from a thread of its own, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="mirror", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Put there what is left.

        Raises:
            ThalwegError: It cannot be; the sentence says what is left, and where it lies.
        """
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._closing.clear()
        end = time.monotonic() + WAIT_SECONDS
        while not self._push() and time.monotonic() < end:
            time.sleep(1.0)
        if self.trouble is not None:
            runs, others = len([*self._new_runs()]), len(self._new_files())
            raise ThalwegError(
                f"{self.url}: {runs} complete runs and {others} files of studies could not be put "
                f"there ({self.trouble}); they lie in {self.root}, and the next command with this "
                "--out tries again"
            )

    def check(self, repair: bool) -> dict[str, str]:
        """Return the files there that are not as they were written, by their URLs, with what is
        wrong.

        Args:
            repair: Remove them, and of a run that lost a result everything, so that what this
                mirror has, or the next run makes again, takes their place.

        Raises:
            ThalwegError: What is there cannot be read, or not be removed.
        """
        with self._turn:
            try:
                self._list()
                found = faults(self._cat([name for name in self._there if _is_record(name)]))
                for names in self._parts(_by_run(self._there)):
                    found |= faults(self._cat(names))
                if repair:
                    self._remove({_run_of(name) if _is_result(name) else name for name in found})
            except Exception as error:  # file systems raise what they like
                raise ThalwegError(f"{self.url}: cannot be checked ({brief(error)})") from error
        return {f"{self.url}/{name}": fault for name, fault in found.items()}

    def _remove(self, lost: Collection[str]) -> None:
        gone = [name for name in self._there if name in lost or _run_of(name) in lost]
        for name in sorted(gone, key=lambda name: not name.endswith(STATUS)):
            self._files.rm_file(f"{self._base}/{name}")
            del self._there[name]
        self._done.clear()

    def _list(self) -> None:
        self._files.invalidate_cache()
        start = len(self._base) + 1
        listing = self._files.find(self._base, detail=True)
        self._there = {
            name[start:]: (int(info["size"] or 0), _token(info))
            for name, info in listing.items()
            if _OURS.fullmatch(name[start:])
        }

    def _newer(self, name: str) -> bool:
        """Return whether a file that may change has changed there since, and not here."""
        state = file_state(str(self.root / name))
        if state is None:
            return True
        token, before = self._known.get(name, ("", ""))
        return name != MARKER and self._there[name][1] != token and state.text == before

    def _lacking(self) -> dict[str, list[str]]:
        """Return files of the runs that are complete there that are not here.

        The records and results of a run that is complete here are never fetched: those of another
        machine differ in seconds, and each machine's fit together.
        """
        found: dict[str, list[str]] = {}
        for run, names in _by_run(self._there).items():
            if f"{run}/{STATUS}" in names:
                here = self._is_complete(run)
                found[run] = [
                    name
                    for name in names
                    if not (here if _is_result(name) else (self.root / name).exists())
                ]
        return found

    def _is_complete(self, run: str) -> bool:
        """Return whether a run is complete here."""
        path = self.root / run / STATUS
        state = file_state(str(path))
        if state is None:
            return False
        if self._known.get(run) != [state.text]:
            try:
                if read_json(path).get("status") not in COMPLETE:
                    return False
            except DamagedError:
                return True  # `thalweg verify` sets it aside
            self._known[run] = [state.text]
        return True

    def _parts(self, by_run: Mapping[str, list[str]]) -> Iterator[list[str]]:
        """Yield names of files, those of a run together, and about `TOGETHER` bytes at a time."""
        part: list[str] = []
        size = 0
        for names in by_run.values():
            part += names
            size += sum(self._there[name][0] for name in names)
            if size > TOGETHER:
                yield part
                part, size = [], 0
        if part:
            yield part

    def _get(self, names: Collection[str]) -> None:
        """Fetch files; what does not arrive as it was written is asked for once more, and counts as
        damaged from then on.
        """
        content = self._cat(names)
        content |= self._cat(faults(content))
        statuses = [name for name in names if name.endswith(STATUS)]
        with ThreadPoolExecutor(WRITERS) as pool:  # waits for the disk overlap
            for part in (content.keys() - statuses, statuses):
                list(pool.map(lambda name: write_whole(self.root / name, content[name]), part))

    def _cat(self, names: Collection[str]) -> dict[str, bytes]:
        if len(names) < 2:  # of one the file system returns no table
            return {name: self._files.cat_file(f"{self._base}/{name}") for name in names}
        found = self._files.cat([f"{self._base}/{name}" for name in names])
        return {path[len(self._base) + 1 :]: content for path, content in found.items()}

    def _read(self, names: Iterable[str]) -> dict[str, bytes]:
        return {name: (self.root / name).read_bytes() for name in names}

    def _put(self, content: Mapping[str, bytes]) -> None:
        if content:
            self._files.pipe({f"{self._base}/{name}": data for name, data in content.items()})
            self._there |= {name: (len(data), "") for name, data in content.items()}

    def _watch(self) -> None:
        pause = PUSH_SECONDS
        while not self._closing.wait(pause):
            began = time.monotonic()
            self._push()
            pause = max(PUSH_SECONDS, 20 * (time.monotonic() - began))

    def _push(self) -> bool:
        """Put there what is complete here; return whether all is there. Why it is not is noted."""
        with self._turn:
            return self._push_in_turn()

    def _push_in_turn(self) -> bool:
        try:
            files = self._new_files()
            if not files and next(self._new_runs(), None) is None:
                self.trouble = None
                return True
            if not self._lease.take():
                self.trouble = "another command is writing there"
                return False
            try:
                self._list()  # another command may have put the same run there
                self._put(self._read(name for name in files if name == MARKER))  # the first of all
                self._put(self._read(files))
                for content in self._new_runs():
                    self._lease.renew()
                    last = {name: content.pop(name) for name in [*content] if name.endswith(STATUS)}
                    self._put(content)
                    self._put(last)
                self._list()
                self._note_studies(files)
                self._save()
            finally:
                self._lease.release()
        except Exception as error:  # file systems raise what they like
            self.trouble = brief(error)
            return False
        self.trouble = None
        return True

    def _new_runs(self) -> Iterator[dict[str, bytes]]:
        """Yield, for each run that is complete here, the files that are not there."""
        folder = self.root / "runs"
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            run = f"runs/{path.name}"
            state = f"{_changed(path)} {_changed(path / 'probes')}"
            if self._done.get(run) == state or not self._is_complete(run):
                continue
            names = [f"{run}/{each.relative_to(path).as_posix()}" for each in path.rglob("*")]
            there = f"{run}/{STATUS}" in self._there
            lacking = [
                name
                for name in names
                if _OURS.fullmatch(name)
                and (not there if _is_result(name) else name not in self._there)
            ]
            content = self._read(lacking)
            if faults(content):
                continue  # what is damaged here stays here
            if lacking:
                yield content
            else:
                self._done[run] = state

    def _new_files(self) -> list[str]:
        """Return what has changed here of files that may change."""
        paths = [self.root / MARKER, *(self.root / "studies").rglob("*")]
        names = [path.relative_to(self.root).as_posix() for path in paths if path.is_file()]
        return [
            name
            for name in names
            if _OURS.fullmatch(name)
            and (
                name not in self._there
                or (
                    name != MARKER
                    and (state := file_state(str(self.root / name))) is not None
                    and self._known.get(name, ["", ""])[1] != state.text
                )
            )
        ]

    def _note_studies(self, names: Iterable[str]) -> None:
        """Note of files that may change that they are the same here and there."""
        for name in names:
            state = file_state(str(self.root / name))
            if state is not None and name in self._there:
                self._known[name] = [self._there[name][1], state.text]

    def _save(self) -> None:
        write_whole(self._known_path, json.dumps(self._known))


def _changed(path: Path) -> int:
    """Return when something was last written into a folder; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _token(info: Mapping[str, Any]) -> str:
    """Return what is different when a file was written anew."""
    told = (info.get(key) for key in ("ETag", "etag", "mtime", "LastModified", "updated", "size"))
    return " ".join(str(each) for each in told)


def _is_result(name: str) -> bool:
    """Return whether a file is one of those that a run ends with, or its records."""
    return name.startswith("runs/") and name.count("/") == 2 and "/snapshot-" not in name


def _is_record(name: str) -> bool:
    return name == MARKER or name.endswith("/study.json")


def _run_of(name: str) -> str:
    """Return the folder of the run, or of the study, that a file is of."""
    return "/".join(name.split("/")[:2])


def _by_run(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if name.startswith("runs/"):
            found[_run_of(name)].append(name)
    return found
