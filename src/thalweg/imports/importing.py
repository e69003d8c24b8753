"""Files of another program as the runs of a study in the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.data import TASKS
from thalweg.imports.files import find_files
from thalweg.imports.runs import ImportedRun, Lineage, to_lineage
from thalweg.imports.sources import find_sources
from thalweg.imports.tracked import find_tracked, to_lineages
from thalweg.models import MODELS
from thalweg.registry import vouch
from thalweg.spec.run import parse_named
from thalweg.store import Store
from thalweg.study.elsewhere import check_elsewhere, record_elsewhere
from thalweg.study.plan import StudyOptions
from thalweg.validation import validate

Record = dict[str, Any]


@dataclass(frozen=True)
class Imported:
    """What an import came to.

    Attributes:
        study: Name of the study.
        lineages: The trainings that the files tell of.
        added: Ids of the runs that the store did not hold.
        replaced: Ids of runs in whose place of the study others stand now.
        aside: Files of a folder that were left aside.
        notes: What a reader of the results must know.
    """

    study: str
    lineages: tuple[Lineage, ...]
    added: frozenset[str]
    replaced: tuple[str, ...]
    aside: tuple[str, ...]
    notes: tuple[str, ...]


def import_files(
    what: Sequence[Path],
    study: str,
    out: Path,
    command: str,
    task: Any = None,
    model: Any = None,
    arm: str | None = None,
    seed: int | None = None,
) -> Imported:
    """Add what other programs have left to a study of imported runs.

    A run is named by the content of its files: what was imported before is left as it is, and a
    changed file gives another run, which takes the place of the one before in the study. Nothing is
    written before all is read.

    Args:
        what: Files, or folders of them; or what trackers have left.
        study: Name of the study, which is begun or added to.
        out: Results folder; made where it does not exist.
        command: By which it is done, for the record.
        task: Name or table of the task of all of them; None if it is unknown.
        model: Likewise of the model; None to recognise weights by their shapes.
        arm: Arm of all of them; None for what their names tell.
        seed: Seed of those that tell none.

    Raises:
        InputError: A file or option is wrong, or the study is none of imported runs.
        ThalwegError: The store cannot be written.
    """
    validate(StudyOptions, {"name": study}, "study")
    vouch(task)
    vouch(model)
    chosen = None if task is None else parse_named(TASKS, task, "--task")
    if model is not None:
        parse_named(MODELS, model, "--model")
    aside: list[str] = []
    tracked = find_tracked(what)
    if tracked is not None:
        lineages, assumed = to_lineages(tracked, chosen, model, arm, seed)
    else:
        files, aside = find_files(what)
        sources, assumed = find_sources(files, arm, seed)
        lineages = [to_lineage(source, chosen, model) for source in sources]
    if (out / "store.json").exists():
        check_elsewhere(Store(out), study)
    store = Store(out, create=True)
    every = [run for lineage in lineages for run in lineage.runs]
    added = frozenset(run.spec.id for run in every if _keep(store, run))
    replaced = record_elsewhere(store, study, map(_entry, lineages), command, assumed)
    notes = (*assumed, *(note for lineage in lineages for note in lineage.notes))
    return Imported(study, tuple(lineages), added, replaced, tuple(aside), notes)


def _keep(store: Store, run: ImportedRun) -> bool:
    """Write a run that the store does not hold; return whether it is new."""
    directory = store.run(run.spec.id)
    if directory.is_complete():
        return False
    directory.begin(run.spec.canonical(), [run.spec.id])
    if run.rewound is not None:
        epoch, weights = run.rewound
        directory.save_snapshot(f"epoch:{epoch}", {"weights": dict(weights)})
    directory.finish(run.status, run.metrics, [], run.weights, run.masks)
    return True


def _entry(lineage: Lineage) -> Record:
    """Return where a training stands in its study, and what stands there."""
    source = lineage.source
    return {
        "arm": source.arm,
        "point": source.point,
        "axes": source.axes,
        "seed": source.seed,
        "run": lineage.answer.spec.id,
        "rounds": [run.spec.id for run in lineage.runs if run.spec.round is not None],
        "notes": list(lineage.notes),
    }
