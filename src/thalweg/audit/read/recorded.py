"""A study of this program, as it lies in the store."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from thalweg.audit.read.tensors import Named
from thalweg.errors import InputError, TrustError
from thalweg.spec import RunSpec
from thalweg.store import Store, StudyResults
from thalweg.store.run_directory import COMPLETE, RunDirectory
from thalweg.study import StudyPlan
from thalweg.study.panels import Panel, Run, panels
from thalweg.study.plan import expand_study


@dataclass(frozen=True)
class RecordedStudy:
    """Results with the files they were made from.

    Attributes:
        store: Where they lie.
        results: All frames of the study.
    """

    store: Store
    results: StudyResults

    @cached_property
    def complete(self) -> list[Run]:
        """The runs of the arms that came to an end, each once."""
        runs = {run["run"]: run for run in self.results.runs.to_dicts()}
        return [run for run in runs.values() if run["status"] in COMPLETE]

    @cached_property
    def sparse(self) -> dict[str, str]:
        """The runs that ended with a mask, those of earlier rounds of pruning among them; each with
        the name of its arm.
        """
        rows = [*self.results.rounds.to_dicts(), *self.results.runs.to_dicts()]
        done = {row["run"]: row["arm"] for row in rows if row["status"] == "done"}
        return {i: arm for i, arm in done.items() if self.store.run(i).masks_path.exists()}

    def spec(self, run_id: str) -> RunSpec | None:
        """Return what was asked of a run; None if its model or optimizer is a user's own that
        cannot be imported here.

        Raises:
            TrustError: It may not be imported.
        """
        try:
            return RunSpec.parse(_without_code(self.store.run(run_id).spec()))
        except TrustError:
            raise
        except InputError:
            return None

    @cached_property
    def plan(self) -> StudyPlan | None:
        """The study as it was asked for; None where a user's own module cannot be imported here.

        Raises:
            TrustError: It may not be imported.
        """
        try:
            return expand_study(tomllib.loads(self.results.provenance["study_file"]))
        except TrustError:
            raise
        except InputError:
            return None

    def weights(self, run_id: str) -> Named:
        """Return what a run ended with."""
        return final_weights(self.store.run(run_id))

    @cached_property
    def panels(self) -> list[Panel]:
        """The runs by task and model, arm and grid point."""
        return panels(self.results)


def final_weights(run: RunDirectory) -> Named:
    """Return the weights, and other tensors, that a run ended with; none of one that was imported
    without.
    """
    return run.weights() or {}


def _without_code(table: dict[str, Any]) -> dict[str, Any]:
    """Return a spec's table without the digests of a user's source files."""
    return {
        key: {k: v for k, v in value.items() if k != "code"} if isinstance(value, dict) else value
        for key, value in table.items()
    }
