"""Take the measurements that a study asks for of its complete runs."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from thalweg.data import Task
from thalweg.errors import InputError
from thalweg.execute.models import build_spec_model, load_named_task
from thalweg.execute.progress import Progress
from thalweg.measure import CurvatureMatrix
from thalweg.measure.curvature import CurvatureOperator, parameter_support
from thalweg.measure.probes import run_probe
from thalweg.measure.requests import Request
from thalweg.measure.subject import Subject
from thalweg.sparsity.prunable import matching
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store

TOGETHER = 8
"""Networks of one architecture that are measured side by side."""


def check_requests(
    specs: Sequence[RunSpec], requests: Sequence[Request], data: Path | None
) -> None:
    """Check that every run could be measured as asked, before any is trained.

    Raises:
        InputError: It could not: a split or sample that a task does not have, a pattern that
            matches no parameter.
    """
    for spec in {(spec.task, spec.model): spec for spec in specs}.values():
        task = load_named_task(spec.task, data)
        for request in requests:
            try:
                _matrix(request, [build_spec_model(spec, task).eval()], task, [None])
            except InputError as error:
                raise InputError(f"probes.{request.label}: {error}") from None


def measure_runs(
    specs: Sequence[RunSpec],
    requests: Sequence[Request],
    store: Store,
    data: Path | None,
    progress: Progress,
) -> None:
    """Measure the runs that are done and lack figures, several networks at a time.

    Args:
        specs: The runs.
        requests: What to measure.
        store: Where the runs lie and the figures go.
        data: Folder searched first for downloadable data sets.
        progress: The view.
    """
    for request in requests:
        alike: dict[Hashable, list[RunSpec]] = defaultdict(list)
        for spec in specs:
            run = store.run(spec.id)
            if run.status()["status"] == "done" and run.figures(request.file) is None:
                alike[spec.task, spec.model].append(spec)
        done, wanted = 0, sum(map(len, alike.values()))
        for group in alike.values():
            task = load_named_task(group[0].task, data)
            for start in range(0, len(group), TOGETHER):
                part = group[start : start + TOGETHER]
                runs = [store.run(spec.id) for spec in part]
                modules = [_trained(spec, task, run) for spec, run in zip(part, runs, strict=True)]
                matrix = _matrix(request, modules, task, [run.masks() for run in runs])
                found = run_probe(matrix, request.name, request.options)
                for run, figures in zip(runs, found, strict=True):
                    run.save_figures(request.file, figures)
                done += len(part)
                progress.measured(request.label, done, wanted)


def _trained(spec: RunSpec, task: Task, run: RunDirectory) -> nn.Module:
    """Return a run's network with the weights it ended with, in evaluation mode."""
    module = build_spec_model(spec, task).eval()
    weights = load_file(run.path / "final.safetensors")
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])
    return module


def _matrix(
    request: Request,
    modules: Sequence[nn.Module],
    task: Task,
    masks: Sequence[Mapping[str, Tensor] | None],
) -> CurvatureMatrix:
    sample = request.sample
    subject = Subject.of(modules, task, sample.examples, sample.split, sample.seed)
    cohort = subject.cohort
    support = torch.ones_like(cohort.W, dtype=torch.bool)
    if sample.parameters:
        support &= parameter_support(subject, matching(sample.parameters, cohort.layout.names))
    if sample.masked:
        for row, kept in enumerate(masks):
            whole = torch.ones_like(support[row])
            cohort.layout.write(whole, kept or {})
            support[row] &= whole
    restricted = None if support.all() else support
    return CurvatureMatrix(subject, CurvatureOperator(subject, sample.matrix, restricted))
