"""Where runs are tracked: a tracker's name and a place of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from thalweg.errors import InputError
from thalweg.trackers.tracker import Tracker
from thalweg.validation import unknown

KINDS: Mapping[str, str] = {
    "mlflow": "tracking",
    "tensorboard": "tracking",
    "wandb": "tracking",
    "trackio": "trackio",
}
"""Trackers, each the name of its package too, and with which extra it is installed."""

QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRACKIO_STORAGE_MODE": "sqlite",
}
"""Variables of the environment by which the libraries tell nobody of what they do, and the terminal
no links, two a run; one that is set already is left as it is: ``WANDB_MODE=online`` is how W&B is
asked to be live.
"""


@dataclass(frozen=True)
class Destination:
    """A tracker, and the place in it.

    Attributes:
        kind: A key of `KINDS`.
        where: MLflow's URI or a folder, TensorBoard's folder, the project of W&B or trackio; None
            for the tracker's own choice.
        folder: Where W&B and trackio write; None for their own choice.
    """

    kind: str
    where: str | None = None
    folder: Path | None = None

    @classmethod
    def parse(cls, text: str, option: str = "--track") -> "Destination":
        """Return what ``KIND[:WHERE]`` names.

        Raises:
            InputError: There is no such tracker, the place is empty, or its package is missing.
        """
        kind, colon, where = text.partition(":")
        if kind not in KINDS:
            raise InputError(f"{option} {text}: {unknown('tracker', kind, list(KINDS))}")
        if colon and not where:
            raise InputError(f"{option} {text}: must have a place behind the colon, or no colon")
        cls._check_there(kind, option, text)
        return cls(kind, where or None)

    @classmethod
    def exported(cls, kind: str, to: str) -> "Destination":
        """Return the tracker and place of ``export --as KIND[:PROJECT] --to PLACE``.

        Raises:
            InputError: There is no such tracker, its package is missing, or it has no projects.
        """
        found = cls.parse(kind, "--as")
        if found.kind in ("wandb", "trackio"):
            return cls(found.kind, found.where, Path(to))
        if found.where is not None:
            raise InputError(f"--as {kind}: must have no colon; the place is told by --to")
        return cls(found.kind, to)

    @staticmethod
    def _check_there(kind: str, option: str, text: str) -> None:
        if find_spec(kind) is None:
            raise InputError(
                f"{option} {text}: needs the package {kind}; install it with "
                f"pip install 'thalweg[{KINDS[kind]}]'"
            )

    @property
    def text(self) -> str:
        """How messages call it."""
        place = self.where if self.folder is None else str(self.folder)
        return self.kind if place is None else f"{self.kind}:{place}"

    def open(self, study: str) -> Tracker:
        """Return the tracker of a study's runs; its library is imported now.

        Raises:
            Exception: It cannot be had.
        """
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        if self.kind == "mlflow":
            from thalweg.trackers.mlflow_runs import MlflowRuns

            return MlflowRuns(study, self.where)
        if self.kind == "tensorboard":
            from thalweg.trackers.tensorboard_files import TensorBoardFiles

            return TensorBoardFiles(study, Path(self.where or "tensorboard"))
        if self.kind == "wandb":
            from thalweg.trackers.wandb_runs import WandbRuns

            return WandbRuns(study, self.where or study, self.folder)
        from thalweg.trackers.trackio_runs import TrackioRuns

        return TrackioRuns(study, self.where or study, self.folder)
