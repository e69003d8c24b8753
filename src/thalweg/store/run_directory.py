"""The directory of one run, named by the hash of what was asked.

The order of writing is the guarantee: everything else first, ``status.json`` last. A run is
complete exactly when its status says so, and from then on its files never change.
"""

import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock
from safetensors.torch import save
from torch import Tensor

from thalweg.cohort.checkpoint import pack, unpack
from thalweg.errors import ThalwegError
from thalweg.store.files import read_json, write_json, write_whole

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

    def lock(self) -> FileLock:
        """Return the lock a process holds while it trains this run; the system frees it when the
        process ends, however it ends.
        """
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._lock_path)

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

    def fail(self, message: str) -> None:
        write_json(self.path / "status.json", {"status": "failed", "message": message})

    def finish(
        self,
        status: Mapping[str, Any],
        metrics: Sequence[Mapping[str, Any]],
        confusion: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Tensor],
    ) -> None:
        """Write a completed run; the status last."""
        write_whole(self.path / "metrics.parquet", _parquet(metrics))
        if confusion:
            write_whole(self.path / "confusion.parquet", _parquet(confusion))
        content = save({name: tensor.cpu().contiguous() for name, tensor in weights.items()})
        write_whole(self.path / "final.safetensors", content)
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


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    buffer = BytesIO()
    pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(buffer)
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
