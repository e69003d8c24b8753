"""Take the measurements that a study asks for of its complete runs."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path

from torch import nn

from thalweg.data import Task
from thalweg.errors import InputError
from thalweg.execute.models import build_spec_model, load_named_task, load_weights
from thalweg.execute.paths import RunOrigin, check_landscape
from thalweg.execute.progress import Progress
from thalweg.execute.wanted import Asked
from thalweg.measure import CurvatureMatrix
from thalweg.measure.curvature import CurvatureOperator, support_of
from thalweg.measure.origin import Origin
from thalweg.measure.probes import run_probe
from thalweg.measure.requests import Request
from thalweg.measure.subject import Subject
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store

TOGETHER = 8
"""Networks of one architecture that are measured side by side."""


def check_requests(specs: Sequence[RunSpec], asked: Asked, data: Path | None) -> None:
    """Check that every run could be measured as asked, before any is trained.

    Raises:
        InputError: It could not: a split or sample that a task does not have, a pattern that
            matches no parameter, a training too short for a path.
    """
    for spec in {(spec.task, spec.model, spec.train): spec for spec in specs}.values():
        task = load_named_task(spec.task, data)
        for request, ids in asked:
            if spec.id not in ids:
                continue
            try:
                _matrix(request, [build_spec_model(spec, task).eval()], task, [Origin()])
                check_landscape(request, spec, task)
            except InputError as error:
                raise InputError(f"probes.{request.label}: {error}") from None


def measure_runs(
    specs: Sequence[RunSpec],
    asked: Asked,
    store: Store,
    data: Path | None,
    progress: Progress,
) -> None:
    """Measure the runs that are done and lack figures, several networks at a time.

    Args:
        specs: The runs.
        asked: What to measure; what is measured as the runs train is not, here.
        store: Where the runs lie and the figures go.
        data: Folder searched first for downloadable data sets.
        progress: The view.
    """
    asked = [(request, ids) for request, ids in asked if request.when is None]
    if not asked:
        return
    trained = [spec for spec in specs if store.run(spec.id).status()["status"] == "done"]
    for request, ids in asked:
        alike: dict[Hashable, list[RunSpec]] = defaultdict(list)
        for spec in trained:
            if spec.id in ids and not store.run(spec.id).has_figures(request.file):
                alike[spec.task, spec.model].append(spec)
        done, wanted = 0, sum(map(len, alike.values()))
        for group in alike.values():
            task = load_named_task(group[0].task, data)
            for start in range(0, len(group), TOGETHER):
                part = group[start : start + TOGETHER]
                runs = [store.run(spec.id) for spec in part]
                modules = [_trained(spec, task, run) for spec, run in zip(part, runs, strict=True)]
                origins = [RunOrigin(run, spec, task) for spec, run in zip(part, runs, strict=True)]
                matrix = _matrix(request, modules, task, origins)
                found = run_probe(matrix, request.name, request.options)
                for run, figures in zip(runs, found, strict=True):
                    run.save_figures(request.file, figures)
                done += len(part)
                progress.measured(request.label, done, wanted)


def _trained(spec: RunSpec, task: Task, run: RunDirectory) -> nn.Module:
    """Return a run's network with the weights it ended with, in evaluation mode."""
    module = build_spec_model(spec, task).eval()
    if not load_weights(module, run.weights() or {}):
        raise InputError(
            f"run {run.id}: its weights no longer fit its model, whose code has changed"
        )
    return module


def _matrix(
    request: Request,
    modules: Sequence[nn.Module],
    task: Task,
    origins: Sequence[Origin],
) -> CurvatureMatrix:
    sample = request.sample
    subject = Subject.of(
        *(modules, task, sample.examples, sample.split, sample.seed), origins=origins
    )
    chosen = [origin.masks if sample.masked else None for origin in origins]
    support = support_of(subject, sample.parameters or None, chosen)
    return CurvatureMatrix(subject, CurvatureOperator(subject, sample.matrix, support))
