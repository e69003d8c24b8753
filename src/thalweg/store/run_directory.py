"""The directory of one run, named by the hash of what was asked.

The order of writing is the guarantee: everything else first, ``status.json`` last. A run is
complete exactly when its status says so, and from then on its files never change.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save
from torch import Tensor

from thalweg.cohort.checkpoint import pack, unpack
from thalweg.errors import ThalwegError
from thalweg.store.files import read_json, write_json, write_whole
from thalweg.store.results import CONFUSION, METRICS

COMPLETE = ("done", "diverged")

_CHECKPOINT = re.compile(r"checkpoint-(\d+)\.safetensors")


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

    def try_lock(self) -> FileLock | None:
        """Take the lock a process holds while it trains this run; None if another one has it.

        The system frees it when the process ends, however it ends.

        Raises:
            ThalwegError: The folder of locks cannot be written.
        """
        try:
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
        write_json(self.path / "spec.json", spec)
        write_json(self.path / "status.json", {"status": "running", "cohort": list(cohort)})

    def fail(self, message: str, traceback: str) -> None:
        """Note why the run failed: a sentence, and the traceback for whoever wrote what raised."""
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
        write_json(self.path / "status.json", {**kept, **nothing, "message": message})

    def finish(
        self,
        status: Mapping[str, Any],
        metrics: Sequence[Mapping[str, Any]],
        confusion: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Tensor] | None,
        masks: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write a completed run; the status last. Of an imported one no weights may be known."""
        write_whole(self.path / "metrics.parquet", parquet(metrics, METRICS))
        if confusion:
            write_whole(self.path / "confusion.parquet", parquet(confusion, CONFUSION))
        if weights is not None:
            write_whole(self.weights_path, _tensors(weights))
        if masks is not None:
            write_whole(self.masks_path, _tensors(masks))
        write_json(self.path / "status.json", status)

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

    def _snapshot(self, name: str) -> Path:
        return self.path / f"snapshot-{name.replace(':', '-')}.safetensors"

    def figures_path(self, file: str) -> Path:
        """Return where what a probe has measured lies."""
        return self.path / "probes" / file

    def save_figures(self, file: str, figures: Mapping[str, Any]) -> None:
        """Keep what a probe has measured of the complete run, under a name that says of what kind
        and with which options.
        """
        finite = {key: _finite(value) for key, value in figures.items()}
        write_whole(self.figures_path(file), json.dumps(finite, allow_nan=False) + "\n")

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

    def masks(self) -> dict[str, Tensor] | None:
        """Return which weights may be nonzero, by parameter; None where all may."""
        return load_file(self.masks_path) if self.masks_path.exists() else None

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


def _tensors(named: Mapping[str, Tensor]) -> bytes:
    content: bytes = save({name: tensor.cpu().contiguous() for name, tensor in named.items()})
    return content


def parquet(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> bytes:
    """Return rows as a Parquet file with the columns of ``schema``, even where there is no row;
    the run is not among them, since the file's place names it.
    """
    columns = {name: kind for name, kind in schema.items() if name != "run"}
    buffer = BytesIO()
    pl.DataFrame(list(rows), schema=columns).write_parquet(buffer)
    return buffer.getvalue()


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
