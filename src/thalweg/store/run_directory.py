"""The directory of one run, named by the hash of what was asked.

The order of writing is the guarantee: everything else first, ``status.json`` last. A run is
complete exactly when its status says so, and from then on its files never change.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from thalweg.cohort.checkpoint import pack, unpack
from thalweg.errors import ThalwegError
from thalweg.store.files import (
    DamagedError,
    move_whole,
    read_bytes,
    read_json,
    write_json,
    write_whole,
)
from thalweg.store.names import check_no_link, inside
from thalweg.store.parquet import parquet
from thalweg.store.results import CONFUSION, METRICS
from thalweg.store.tensors import read_tensors, tensor_bytes
from thalweg.store.unsealed import check_keys, check_unsealed

COMPLETE = ("done", "diverged")

FILES = "files"
"""Key of a complete run's status: the SHA-256 of every file beside it that the run ended with."""

STAGED = "finished.json"
"""What will be a run's status when all runs of its cohort have their results."""

_CHECKPOINT = re.compile(r"checkpoint-(\d+)\.safetensors")

_SNAPSHOT = re.compile(r"snapshot-([a-z]+(?:-\d+)?)\.safetensors")


class RunDirectory:
    """Files of one run.

    Args:
        path: ``OUT/runs/ID``.
        lock_path: ``OUT/locks/ID.lock``.
    """

    def __init__(self, path: Path, lock_path: Path) -> None:
        self.path = path
        self._lock_path = lock_path

    @property
    def id(self) -> str:
        return self.path.name

    def sibling(self, run_id: str) -> "RunDirectory":
        """Return another run of the same store."""
        return RunDirectory(self.path.parent / run_id, self._lock_path.with_name(f"{run_id}.lock"))

    def try_lock(self) -> FileLock | None:
        """Take the lock a process holds while it trains this run; None if another one has it.

        The system frees it when the process ends, however it ends.

        Raises:
            ThalwegError: The folder of locks cannot be written.
        """
        try:
            check_no_link(self._lock_path)
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._lock_path)
            lock.acquire(timeout=0)
        except Timeout:
            return None
        except OSError as error:
            reason = error.strerror or error
            raise ThalwegError(f"cannot write {self._lock_path}: {reason}") from error
        return lock

    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = read_json(self.path / "spec.json")
        return spec

    def status(self) -> dict[str, Any]:
        """Return the run's status; ``{"status": "missing"}`` where none was written."""
        path = self.path / "status.json"
        if not path.exists():
            return {"status": "missing"}
        status: dict[str, Any] = read_json(path)
        return status

    def is_complete(self) -> bool:
        return self.status()["status"] in COMPLETE

    def begin(self, spec: Mapping[str, Any], cohort: Sequence[str]) -> None:
        """Note what is to be trained and with which runs, so that a resume regroups them."""
        self._staged_path.unlink(missing_ok=True)
        write_json(self.path / "spec.json", spec)
        write_json(self.path / "status.json", {"status": "running", "cohort": list(cohort)})

    def fail(self, message: str, traceback: str) -> None:
        """Note why the run failed: a sentence, and the traceback for whoever wrote what raised."""
        self._staged_path.unlink(missing_ok=True)
        status = {"status": "failed", "message": message, "traceback": traceback}
        write_json(self.path / "status.json", status)

    def inherit_divergence(self, spec: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Note that a run counts as diverged because the one it would begin from has, whose status
        is given; it cost nothing.
        """
        costs = ("seconds", "examples", "gradient_evaluations", "loss_evaluations", "products")
        write_json(self.path / "spec.json", spec)
        message = "the run it is pruned from diverged"
        nothing = dict.fromkeys([*costs, "flops", "epochs", "steps"], 0)
        kept = {key: value for key, value in status.items() if key != "sparsity"}
        own = {**nothing, "message": message, FILES: {}}
        write_json(self.path / "status.json", {**kept, **own})

    def finish(
        self,
        status: Mapping[str, Any],
        metrics: Sequence[Mapping[str, Any]],
        confusion: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Tensor] | None,
        masks: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write a completed run; the status, with the SHA-256 of every other file, last. Of an
        imported one no weights may be known.
        """
        self._write_results("status.json", status, metrics, confusion, weights, masks)

    def stage(
        self,
        status: Mapping[str, Any],
        metrics: Sequence[Mapping[str, Any]],
        confusion: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Tensor] | None,
        masks: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write a completed run, as `finish` does, but for its status, which lies aside until
        `complete`: a run must not be complete before the others of its cohort have their results,
        because they could not be trained again in the same company.
        """
        self._write_results(STAGED, status, metrics, confusion, weights, masks)

    def is_staged(self) -> bool:
        """Return whether all is there that `stage` wrote, as it was written."""
        if not self._staged_path.exists():
            return False
        try:
            return not any(self.faults(read_json(self._staged_path)))
        except DamagedError:
            return False

    def complete(self) -> None:
        """Make a staged run a complete one."""
        move_whole(self._staged_path, self.path / "status.json")

    @property
    def _staged_path(self) -> Path:
        return self.path / STAGED

    def _write_results(
        self,
        last: str,
        status: Mapping[str, Any],
        metrics: Sequence[Mapping[str, Any]],
        confusion: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Tensor] | None,
        masks: Mapping[str, Tensor] | None,
    ) -> None:
        content = {"metrics.parquet": parquet(metrics, METRICS)}
        if confusion:
            content["confusion.parquet"] = parquet(confusion, CONFUSION)
        if weights is not None:
            content[self.weights_path.name] = tensor_bytes(weights)
        if masks is not None:
            content[self.masks_path.name] = tensor_bytes(masks)
        for name, data in content.items():
            write_whole(self.path / name, data)
        files = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        write_json(self.path / last, {**status, FILES: files})

    def faults(
        self, status: Mapping[str, Any], names: Collection[str] | None = None
    ) -> Iterator[DamagedError]:
        """Yield what is wrong with the files that the run, complete by its status, ended with.

        Args:
            status: What `status` returns; where it has no checksums, because an older version wrote
                it, what the files tell themselves is checked (`check_unsealed`).
            names: Files to look at; None for all.
        """
        if FILES not in status:
            check_all = check_unsealed if names is None else check_keys
            checks: list[Callable[[], object]] = [partial(check_all, self.path, status)]
        else:
            checks = [
                partial(read_bytes, inside(self.path, name), digest)
                for name, digest in status[FILES].items()
                if names is None or name in names
            ]
        for check in checks:
            try:
                check()
            except DamagedError as error:
                yield error

    def checkpoints(self) -> dict[int, Path]:
        """Return the checkpoints by the epochs completed at each."""
        found = {}
        for path in self.path.glob("checkpoint-*.safetensors"):
            if match := _CHECKPOINT.fullmatch(path.name):
                found[int(match[1])] = path
        return found

    def save_checkpoint(self, epoch: int, state: Any) -> None:
        write_whole(self.path / f"checkpoint-{epoch}.safetensors", pack(state))

    def load_checkpoint(self, epoch: int) -> Any:
        return unpack(self.checkpoints()[epoch])

    def drop_checkpoints(self, keep: int | None = None) -> None:
        """Remove all checkpoints but the one of epoch ``keep``."""
        for epoch, path in self.checkpoints().items():
            if epoch != keep:
                path.unlink(missing_ok=True)

    def save_snapshot(self, name: str, state: Any) -> None:
        """Keep a state of the training that another run begins from."""
        write_whole(self._snapshot(name), pack(state))

    def load_snapshot(self, name: str) -> Any:
        return unpack(self._snapshot(name))

    def has_snapshot(self, name: str) -> bool:
        return self._snapshot(name).exists()

    def snapshots(self) -> list[str]:
        """Return the names of the snapshots that there are."""
        found = (_SNAPSHOT.fullmatch(path.name) for path in self.path.glob("snapshot-*"))
        return [match[1].replace("-", ":") for match in found if match]

    def _snapshot(self, name: str) -> Path:
        return self.path / f"snapshot-{name.replace(':', '-')}.safetensors"

    def figures_path(self, file: str) -> Path:
        """Return where what a probe has measured lies."""
        check_no_link(self.path / "probes")
        return inside(self.path / "probes", file)

    def save_figures(self, file: str, figures: Mapping[str, Any]) -> None:
        """Keep what a probe has measured of the complete run, under a name that says of what kind
        and with which options.
        """
        finite = {key: _finite(value) for key, value in figures.items()}
        write_json(self.figures_path(file), finite, indent=None)

    def has_figures(self, file: str) -> bool:
        return self.figures_path(file).exists()

    def figures(self, file: str) -> dict[str, Any] | None:
        """Return what a probe has measured; None where it has not."""
        return read_json(self.figures_path(file)) if self.has_figures(file) else None

    @property
    def weights_path(self) -> Path:
        """Where the weights that the run ended with lie; an imported run may have none."""
        return self.path / "final.safetensors"

    @property
    def masks_path(self) -> Path:
        """Where the mask that the run ended with lies, if it has one."""
        return self.path / "masks.safetensors"

    def weights(self) -> dict[str, Tensor] | None:
        """Return the weights, and other tensors, that the run ended with; None where an imported
        one was without.

        Raises:
            DamagedError: They are not as they were written.
        """
        return self._load(self.weights_path)

    def masks(self) -> dict[str, Tensor] | None:
        """Return which weights may be nonzero, by parameter; None where all may.

        Raises:
            DamagedError: They are not as they were written.
        """
        return self._load(self.masks_path)

    def _load(self, path: Path) -> dict[str, Tensor] | None:
        digest = self.status().get(FILES, {}).get(path.name)
        if digest is None and not path.exists():
            return None
        return read_tensors(path, digest)

    def remove_leftovers(self) -> None:
        """Remove what a process killed at the wrong moment left in the folder of a complete run:
        checkpoints, and files that were not yet renamed into place.
        """
        for path in [*self.checkpoints().values(), *self.path.glob(".*")]:
            with suppress(OSError):  # results may lie on a read-only disk
                path.unlink()


def _finite(value: Any) -> Any:
    """Return a figure with None for what is not a finite number."""
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if not isinstance(value, float) or isfinite(value) else None


def common_checkpoint(runs: Sequence[RunDirectory]) -> int | None:
    """Return the latest epoch at which every run has a readable checkpoint, or None.

    The runs of a cohort write theirs one after the other, so a process killed in between leaves
    some a checkpoint ahead; each keeps the one before until all are written.
    """
    shared = set.intersection(*(set(run.checkpoints()) for run in runs))
    for epoch in sorted(shared, reverse=True):
        try:
            for run in runs:
                run.load_checkpoint(epoch)
        except ThalwegError:
            continue
        return epoch
    return None
