"""The Python face: load a study, run it, look at its results."""

import shlex
import sys
import webbrowser
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import polars as pl

from thalweg.errors import InputError, TrustError
from thalweg.execute import Progress, Resources, execute, plan_cohorts
from thalweg.execute.execution import use_threads
from thalweg.execute.measuring import check_requests, measure_runs
from thalweg.measure.requests import Request
from thalweg.store import Store, StudyResults
from thalweg.store.assemble import read_results
from thalweg.store.frames import Library, as_frame
from thalweg.store.place import local_folder, settle
from thalweg.study import StudyPlan, recipes, record_study, rounds
from thalweg.study import load_study as load_plan
from thalweg.study.comparison.arms import known_metric
from thalweg.study.final import check_final, final_study
from thalweg.study.panels import panels, selected_runs
from thalweg.study.record import record_stop
from thalweg.study.until_resolved import check_points, check_rule, planned_looks, with_seeds
from thalweg.trackers import Destination, Tracking, export_to_tracker
from thalweg.validation import unknown

if TYPE_CHECKING:
    from thalweg.audit import Finding
    from thalweg.report.comparisons import Comparisons
    from thalweg.report.notebook import Figure
    from thalweg.report.power import Power
    from thalweg.report.table import Table

DEFAULT_OUT = Path("thalweg-out")


@dataclass(frozen=True)
class Report:
    """A study's report on disk.

    Attributes:
        path: Its ``index.html``, or ``README.md``.
    """

    path: Path

    def open(self) -> None:
        """Open the report in the browser, or with what opens Markdown."""
        webbrowser.open(self.path.resolve().as_uri())


@dataclass(frozen=True)
class Results:
    """What a study has produced so far.

    Attributes:
        study: Name of the study.
        store: Where the results lie.
        failed: Reason by run, for the runs that failed just now.
        final: Those of the chosen points on fresh seeds, where the study's protocol asks for them.
    """

    study: str
    store: Store
    failed: dict[str, str]
    final: "Results | None" = None

    def load(self) -> StudyResults:
        """Read all frames of the study."""
        return read_results(self.store, self.study)

    @overload
    def frame(self, as_: Literal["polars"] = "polars") -> pl.DataFrame: ...
    @overload
    def frame(self, as_: Library) -> Any: ...
    def frame(self, as_: Library = "polars") -> Any:
        """Return one row a run; see `thalweg.store.results.RUNS` for the columns.

        Args:
            as_: "polars"; "pandas", with columns backed by Arrow, so that what there is not is
                null and whole numbers stay whole; or "arrow", a `pyarrow.Table`.

        Raises:
            InputError: There is no such library here, or pandas is not installed.
        """
        return as_frame(self.load().runs, as_)

    @overload
    def metrics(self, as_: Literal["polars"] = "polars") -> pl.DataFrame: ...
    @overload
    def metrics(self, as_: Library) -> Any: ...
    def metrics(self, as_: Library = "polars") -> Any:
        """Return one row a run and evaluated epoch, ``as_`` as for `frame`."""
        return as_frame(self.load().metrics, as_)

    @overload
    def rounds(self, as_: Literal["polars"] = "polars") -> pl.DataFrame: ...
    @overload
    def rounds(self, as_: Library) -> Any: ...
    def rounds(self, as_: Library = "polars") -> Any:
        """Return one row an arm, grid point, seed and round of pruning; see
        `thalweg.store.results.ROUNDS` for the columns, and `frame` for ``as_``.
        """
        return as_frame(self.load().rounds, as_)

    @overload
    def series(self, as_: Literal["polars"] = "polars") -> pl.DataFrame: ...
    @overload
    def series(self, as_: Library) -> Any: ...
    def series(self, as_: Library = "polars") -> Any:
        """Return one row an arm, grid point, seed, probe, step and figure of the probes that look
        at the runs while they train (`thalweg.store.results.SERIES`); see `frame` for ``as_``.
        """
        return as_frame(self.load().series, as_)

    @overload
    def probes(self, as_: Literal["polars"] = "polars") -> pl.DataFrame: ...
    @overload
    def probes(self, as_: Library) -> Any: ...
    def probes(self, as_: Library = "polars") -> Any:
        """Return one row a run and figure that a probe of the study has measured; see
        `thalweg.store.results.PROBES` for the columns, and `frame` for ``as_``.
        """
        return as_frame(self.load().probes, as_)

    @overload
    def query(self, sql: str, as_: Literal["polars"] = "polars") -> pl.DataFrame: ...
    @overload
    def query(self, sql: str, as_: Library) -> Any: ...
    def query(self, sql: str, as_: Library = "polars") -> Any:
        """Run one SQL statement over the results folder, as ``thalweg query`` does.

        Args:
            sql: A statement of DuckDB's over the tables `thalweg.store.query.TABLES`.
            as_: As for `frame`.

        Raises:
            InputError: DuckDB refuses the statement, or as for `frame`.
        """
        from thalweg.store.query import query  # DuckDB takes long to import

        return as_frame(query(self.store, sql), as_)

    def targets(self) -> pl.DataFrame:
        """Return what every target of the study costs each arm, one row a target and arm; see
        `thalweg.report.targets.SCHEMA` for the columns.
        """
        from thalweg.report.targets import target_frame, target_reaches  # imports Matplotlib

        results = self.load()
        return target_frame(target_reaches(results, panels(results)))

    def compare(self, *arms: str, metric: str | None = None) -> "Comparisons":
        """Compare arms two by two, at their selected points and common seeds.

        Args:
            arms: Two names or more; all arms if none are given.
            metric: A loss or accuracy of `frame`; by default test accuracy, or test loss.

        Raises:
            InputError: An arm or metric is unknown, or there is nothing to compare.
        """
        from thalweg.report.comparisons import compare_arms  # Matplotlib takes long to import

        return compare_arms(self.load(), arms, metric)

    def power(
        self, effect: float, *arms: str, metric: str | None = None, power: float = 0.8
    ) -> "Power":
        """Return how many seeds resolve a difference between arms.

        Args:
            effect: The difference: percentage points for an accuracy, else in the metric's unit.
            arms: Two names or more; all arms if none are given.
            metric: As for `compare`.
            power: Probability with which it is to be resolved.

        Raises:
            InputError: As `compare`, or the effect is not above 0.
        """
        from thalweg.report.power import power_of  # Matplotlib takes long to import

        return power_of(self.load(), effect, arms, metric, power)

    def export(
        self,
        to: str | Path | None = None,
        data: str | Path | None = None,
        *,
        prefix: str | None = None,
        analysis: bool = False,
    ) -> list[Path]:
        """Write the study as files of the names and columns of the published scripts: metrics of
        its trainings; weights, masks, logs and charts of its rounds of pruning.

        Args:
            to: Folder to write to; by default ``exports`` in the study's own.
            data: Folder searched first for downloadable data sets.
            prefix: What the names begin with instead of the arm's, where there is one.
            analysis: Also tables and pictures of the pruned networks' graphs and weights.

        Returns:
            The files; see `thalweg.export.export_study` for their names, and
            `thalweg.report.analysis_files` for those of the analysis.

        Raises:
            InputError: The study has nothing complete, several arms would share the prefix, there
                is nothing to be analysed, or the folder cannot be written.
            TrustError: The study names code that may not be imported (`thalweg.trusting`).
            ThalwegError: A file cannot be written.
        """
        from thalweg.export import export_study, lineages
        from thalweg.report.analysis_files import Pruned, check, write_analysis  # Matplotlib
        from thalweg.report.write import write_recovery

        results = self.load()
        results.check_trusted()
        folder = Path(to) if to else self.store.study_folder(self.study) / "exports"
        source = Path(data) if data else None
        pruned = [
            Pruned(each.prefix, each.weights, each.masks, each.kept, each.accuracy)
            for each in (lineages(self.store, results, source, prefix) if analysis else ())
        ]
        if analysis:
            check(pruned)
        files = export_study(self.store, results, folder, source, prefix)
        files += write_recovery(results, folder)
        return files + (write_analysis(pruned, folder) if analysis else [])

    def track(self, kind: str, to: str | Path) -> dict[str, str]:
        """Log the study's runs to a tracker, as `Study.run` does with ``track`` while they train.
        What is there already is left; what was begun is completed.

        Args:
            kind: "mlflow", "tensorboard", "wandb" or "trackio"; of the last two with the name of a
                project other than the study's behind a colon.
            to: Folder, or for MLflow a tracking URI.

        Returns:
            "done", "diverged" or "failed" by run, of those that were not there yet.

        Raises:
            InputError: There is no such tracker, its package is missing, or no run has ended.
            ThalwegError: The tracker cannot be had.
        """
        return export_to_tracker(self.store, self.study, Destination.exported(kind, str(to)))

    def figure(self, name: str) -> "Figure":
        """Return a chart of the report, which shows itself in Jupyter.

        Args:
            name: Name of its files in the report, or the beginning of one alone.

        Raises:
            InputError: The report has no such chart, or several.
        """
        from thalweg.report.contents import find_chart  # Matplotlib takes long to import
        from thalweg.report.notebook import Figure

        return Figure(find_chart(self.load(), name))

    def table(self, name: str) -> "Table":
        """Return a table of the report, which shows itself in Jupyter; see `figure`."""
        from thalweg.report.contents import find_table  # Matplotlib takes long to import

        return find_table(self.load(), name)

    def report(self, to: str | Path | None = None) -> Report:
        """Write the report and return where it lies.

        Args:
            to: Folder to write it to as Markdown with figures and tables, to be kept in a
                repository; by default it is the page in the study's own folder.

        Raises:
            InputError: The folder cannot be written, or holds another ``README.md``.
            TrustError: The study names code that may not be imported (`thalweg.trusting`).
        """
        from thalweg.report.markdown import write_markdown  # Matplotlib takes long to import
        from thalweg.report.write import write_report

        results = self.load()
        results.check_trusted()
        if to is not None:
            return Report(write_markdown(results, Path(to), self._audit(results)))
        folder = self.store.study_folder(self.study)
        path = write_report(results, folder, self._audit(results))
        settle(self.store.root)
        return Report(path)

    def _audit(self, results: StudyResults) -> "list[Finding] | None":
        """Return what an audit finds; None where there is nothing to be audited yet, or not any
        more: a user's own model may be gone.
        """
        from thalweg.audit import audit_study  # takes long to import

        try:
            return audit_study(self.store, results)
        except TrustError:
            raise
        except InputError:
            return None

    def _repr_html_(self) -> str:
        from thalweg.report.notebook import results_html  # Matplotlib takes long to import

        shown = results_html(self.load(), len(self.failed))
        return shown if self.final is None else shown + self.final._repr_html_()


@dataclass(frozen=True)
class Study:
    """A study that can be run.

    Attributes:
        plan: Its arms, grid points and runs.
    """

    plan: StudyPlan

    def _repr_html_(self) -> str:
        from thalweg.report.notebook import study_html  # Matplotlib takes long to import

        return study_html(self.plan)

    def run(
        self,
        out: str | Path = DEFAULT_OUT,
        jobs: int | None = None,
        device: str = "auto",
        data: str | Path | None = None,
        progress: Progress | None = None,
        backend: str = "auto",
        on: str | None = None,
        track: str | Sequence[str] = (),
    ) -> Results:
        """Train what is missing; where the protocol asks for a final, that of the points which the
        results choose too.

        Args:
            out: Results folder, or a URL such as ``s3://bucket/prefix``; a run that is complete
                there is never trained again.
            jobs: Processes; by default one a core.
            device: "auto", "cpu" or "cuda".
            data: Folder searched first for downloadable data sets.
            progress: The view; by default a live one on standard error.
            backend: "auto", "native" (the compiled kernels) or "autograd".
            on: A Ray cluster to train on, ``"ray"`` or ``"ray://HOST:PORT"``; by default this
                machine. The process stays connected to it.
            track: Trackers to which the runs are told as they train, each ``KIND[:WHERE]``:
                ``"mlflow:http://127.0.0.1:5000"``, ``"tensorboard:FOLDER"``, ``"wandb:PROJECT"``,
                ``"trackio"``. One that cannot be had is a warning.

        Raises:
            InputError: Something asked for is wrong or cannot be had.
            ThalwegError: The work could not be done.
        """
        trackers = _trackers(track)
        resources = Resources.choose(device, jobs, Path(data) if data else None, backend, on)
        # A network that does not fit, or cannot be measured as asked, is found out here.
        plan_cohorts(self.plan.specs, None, resources)
        check_requests(self.plan.specs, _asked(self.plan), resources.data)
        check_final(self.plan)
        store = Store(local_folder(out), create=True)
        failed: dict[str, str] = {}
        tracking = Tracking(trackers, store, self.plan.name)
        with progress or Progress() as view, tracking.following(view):
            plan = self.plan
            for plan in rounds(self.plan, lambda: read_results(store, self.plan.name)):
                record_study(plan, store, command_line())
                tracking.plan(plan.specs)
                specs = [spec for spec in plan.specs if spec.id not in failed]
                failed |= execute(specs, store, resources, view, _asked(plan, "all")).failed
            with use_threads(resources.threads_here):
                measure_runs(plan.specs, _asked(plan, "all"), store, resources.data, view)
            if _asked(plan, "selected"):
                self._measure_selected(plan, store, resources, view)
        settle(store.root)
        results = Results(self.plan.name, store, failed)
        if failed or plan.protocol.final_seeds is None:
            return results
        final = self._final(results).run(out, jobs, device, data, progress, backend, on, track)
        return replace(results, final=final)

    def run_until_resolved(
        self,
        max_seeds: int,
        metric: str | None = None,
        out: str | Path = DEFAULT_OUT,
        jobs: int | None = None,
        device: str = "auto",
        data: str | Path | None = None,
        progress: Progress | None = None,
        backend: str = "auto",
        on: str | None = None,
        track: str | Sequence[str] = (),
    ) -> Results:
        """Train what is missing, and add seeds to the arms of which a comparison is still open.

        All comparisons are looked at with 5 seeds, or as many as the study has if they are more,
        and again whenever they have half as many more. The error rate holds over all pairs and
        looks; see `thalweg.study.comparison.sequential`. What was trained is never trained again,
        so a study that was stopped goes on where it was. A study with a final adds seeds to that.

        Args:
            max_seeds: The most seeds of an arm; it must not change once the study was begun.
            metric: The metric whose comparisons are to be resolved; by default test accuracy, or
                test loss.
            out: As for `run`, and so are those that follow.
            jobs: Processes.
            device: "auto", "cpu" or "cuda".
            data: Folder searched first for downloadable data sets.
            progress: The view.
            backend: "auto", "native" or "autograd".
            on: A Ray cluster.
            track: Trackers.

        Raises:
            InputError: Something asked for is wrong or cannot be had, an arm has several points
                and the study no final, or the study was begun by another rule.
            ThalwegError: The work could not be done.
        """
        how = (out, jobs, device, data, progress, backend, on, track)
        check_points(self.plan)
        counts = planned_looks(self.plan, max_seeds)
        check_rule(self.plan, local_folder(out), max_seeds, metric)
        begun = self.run(*how)
        if begun.failed or (begun.final and begun.final.failed):
            return begun
        study = self if begun.final is None else self._final(begun)
        loaded = (begun.final or begun).load()
        metric = known_metric(loaded, panels(loaded), metric)
        seeds = dict.fromkeys((point.arm for point in study.plan.points), counts[0])
        for following in [*counts[1:], None]:
            plan = with_seeds(study.plan, seeds, max_seeds, metric)
            results = Study(plan).run(*how)
            if results.failed:
                break
            pairs = results.compare(metric=metric).pairs
            open_ = [pair.runs for pair in pairs if not pair.resolved]
            if not open_ or following is None:
                every = "every comparison is resolved"
                most = f"{max_seeds} seeds are the most allowed"
                record_stop(results.store, plan.name, most if open_ else every)
                break
            seeds |= {name: following for runs in open_ for name in (runs.first, runs.second)}
        return results if begun.final is None else replace(begun, final=results)

    def _final(self, results: Results) -> "Study":
        """Return the study of the points that the results choose, on fresh seeds."""
        chosen = {
            arm.name: arm.selected.axes
            for panel in panels(results.load())
            for arm in panel.arms
            if arm.selected is not None
        }
        return Study(final_study(self.plan, chosen))

    def _measure_selected(
        self, plan: StudyPlan, store: Store, resources: Resources, view: Progress
    ) -> None:
        """Take the measurements that are only of the runs which the results select; what is
        measured as they train takes training them again.
        """
        chosen = selected_runs(read_results(store, plan.name))
        asked = _asked(plan, "selected", chosen)
        specs = [spec for spec in plan.specs if any(spec.id in ids for _, ids in asked)]
        execute(specs, store, resources, view, asked)
        with use_threads(resources.threads_here):
            measure_runs(specs, asked, store, resources.data, view)


def _trackers(track: str | Sequence[str]) -> list[Destination]:
    """Return the trackers that are named, each once."""
    texts = [track] if isinstance(track, str) else track
    return [Destination.parse(text) for text in dict.fromkeys(texts)]


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
    trust: bool = False,
) -> Study:
    """Load a study from a TOML file or by a recipe's name; see `thalweg.study.load_study`."""
    return Study(load_plan(source, preset, seeds, overrides, trust))


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
