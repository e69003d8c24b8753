"""The Python face: load a study, run it, look at its results."""

import shlex
import sys
import webbrowser
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from thalweg.errors import InputError
from thalweg.execute import Progress, Resources, execute, plan_cohorts
from thalweg.execute.execution import use_threads
from thalweg.execute.measuring import check_requests, measure_runs
from thalweg.measure.requests import Request
from thalweg.store import Store, StudyResults
from thalweg.store.assemble import read_results
from thalweg.study import StudyPlan, recipes, record_study, rounds
from thalweg.study import load_study as load_plan
from thalweg.validation import unknown

DEFAULT_OUT = Path("thalweg-out")


@dataclass(frozen=True)
class Report:
    """A study's report on disk.

    Attributes:
        path: Its ``index.html``.
    """

    path: Path

    def open(self) -> None:
        """Open the report in the browser."""
        webbrowser.open(self.path.resolve().as_uri())


@dataclass(frozen=True)
class Results:
    """What a study has produced so far.

    Attributes:
        study: Name of the study.
        store: Where the results lie.
        failed: Reason by run, for the runs that failed just now.
    """

    study: str
    store: Store
    failed: dict[str, str]

    def load(self) -> StudyResults:
        """Read all frames of the study."""
        return read_results(self.store, self.study)

    def frame(self) -> pl.DataFrame:
        """Return one row a run; see `thalweg.store.results.RUNS` for the columns."""
        return self.load().runs

    def metrics(self) -> pl.DataFrame:
        """Return one row a run and evaluated epoch."""
        return self.load().metrics

    def rounds(self) -> pl.DataFrame:
        """Return one row an arm, grid point, seed and round of pruning; see
        `thalweg.store.results.ROUNDS` for the columns.
        """
        return self.load().rounds

    def series(self) -> pl.DataFrame:
        """Return one row an arm, grid point, seed, probe, step and figure of the probes that look
        at the runs while they train (`thalweg.store.results.SERIES`).
        """
        return self.load().series

    def probes(self) -> pl.DataFrame:
        """Return one row a run and figure that a probe of the study has measured; see
        `thalweg.store.results.PROBES` for the columns.
        """
        return self.load().probes

    def targets(self) -> pl.DataFrame:
        """Return what every target of the study costs each arm, one row a target and arm; see
        `thalweg.report.targets.SCHEMA` for the columns.
        """
        from thalweg.report.panels import panels  # Matplotlib takes long to import
        from thalweg.report.targets import target_frame, target_reaches

        results = self.load()
        return target_frame(target_reaches(results, panels(results)))

    def export_rounds(
        self, to: str | Path | None = None, data: str | Path | None = None
    ) -> list[Path]:
        """Write weights, masks and logs of all rounds of pruning, and their charts.

        Args:
            to: Folder to write to; by default ``exports`` in the study's own.
            data: Folder searched first for downloadable data sets.

        Returns:
            The files; see `thalweg.export.export_rounds` for their names.

        Raises:
            InputError: The study has no complete rounds, or the folder cannot be written.
            ThalwegError: A file cannot be written.
        """
        from thalweg.export import export_rounds
        from thalweg.report.write import write_recovery  # Matplotlib takes long to import

        results = self.load()
        folder = Path(to) if to else self.store.study_folder(self.study) / "exports"
        files = export_rounds(self.store, results, folder, Path(data) if data else None)
        return files + write_recovery(results, folder)

    def report(self) -> Report:
        """Write the report and return where it lies."""
        from thalweg.report.write import write_report  # Matplotlib takes long to import

        return Report(write_report(self.load(), self.store.study_folder(self.study)))


@dataclass(frozen=True)
class Study:
    """A study that can be run.

    Attributes:
        plan: Its arms, grid points and runs.
    """

    plan: StudyPlan

    def run(
        self,
        out: str | Path = DEFAULT_OUT,
        jobs: int | None = None,
        device: str = "auto",
        data: str | Path | None = None,
        progress: Progress | None = None,
        backend: str = "auto",
    ) -> Results:
        """Train what is missing.

        Args:
            out: Results folder; a run that is complete there is never trained again.
            jobs: Processes; by default one a core.
            device: "auto", "cpu" or "cuda".
            data: Folder searched first for downloadable data sets.
            progress: The view; by default a live one on standard error.
            backend: "auto", "native" (the compiled kernels) or "autograd".

        Raises:
            InputError: Something asked for is wrong or cannot be had.
            ThalwegError: The work could not be done.
        """
        resources = Resources.choose(device, jobs, Path(data) if data else None, backend)
        # A network that does not fit, or cannot be measured as asked, is found out here.
        plan_cohorts(self.plan.specs, None, resources)
        check_requests(self.plan.specs, _asked(self.plan), resources.data)
        store = Store(Path(out), create=True)
        failed: dict[str, str] = {}
        with progress or Progress() as view:
            plan = self.plan
            for plan in rounds(self.plan, lambda: read_results(store, self.plan.name)):
                record_study(plan, store, command_line())
                specs = [spec for spec in plan.specs if spec.id not in failed]
                failed |= execute(specs, store, resources, view, _asked(plan, "all")).failed
            with use_threads(resources.threads * resources.jobs):
                measure_runs(plan.specs, _asked(plan, "all"), store, resources.data, view)
            if _asked(plan, "selected"):
                self._measure_selected(plan, store, resources, view)
        return Results(self.plan.name, store, failed)

    def _measure_selected(
        self, plan: StudyPlan, store: Store, resources: Resources, view: Progress
    ) -> None:
        """Take the measurements that are only of the runs which the results select; what is
        measured as they train takes training them again.
        """
        from thalweg.report.panels import selected_runs  # Matplotlib takes long to import

        chosen = selected_runs(read_results(store, plan.name))
        asked = _asked(plan, "selected", chosen)
        specs = [spec for spec in plan.specs if any(spec.id in ids for _, ids in asked)]
        execute(specs, store, resources, view, asked)
        with use_threads(resources.threads * resources.jobs):
            measure_runs(specs, asked, store, resources.data, view)


def _asked(
    plan: StudyPlan, runs: str = "", among: Container[str] | None = None
) -> list[tuple[Request, set[str]]]:
    """Return the study's measurements, of all runs or of those that are selected alone."""
    return [
        (request, plan.measured(request, among))
        for request in plan.probes
        if runs in ("", request.sample.runs)
    ]


def load_study(
    source: str | Path,
    preset: str | None = None,
    seeds: int | None = None,
    overrides: Sequence[str] = (),
) -> Study:
    """Load a study from a TOML file or by a recipe's name; see `thalweg.study.load_study`."""
    return Study(load_plan(source, preset, seeds, overrides))


def recipe(name: str, preset: str | None = None, seeds: int | None = None) -> Study:
    """Load a study that ships with the package.

    Raises:
        InputError: There is no recipe of that name.
    """
    if name not in recipes():
        raise InputError(unknown("recipe", name, recipes()))
    return load_study(name, preset, seeds)


def command_line() -> str:
    """Return the command this process was started with."""
    return shlex.join([Path(sys.argv[0]).name or "python", *sys.argv[1:]])
