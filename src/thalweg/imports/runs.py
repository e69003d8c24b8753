"""From what files tell of a training to its runs: one, or one a round of pruning."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.imports.architecture import Recognised, recognise, rename
from thalweg.imports.columns import Pruning, Row
from thalweg.imports.files import File
from thalweg.imports.names import Part
from thalweg.imports.sources import Source
from thalweg.sparsity.masks import Masks
from thalweg.spec import ImportedSpec, Named
from thalweg.spec.named import split_name
from thalweg.store.results import METRICS


@dataclass(frozen=True)
class ImportedRun:
    """A run as the store keeps it.

    Attributes:
        spec: What it is.
        status: What it came to; all that is not told is None.
        metrics: Rows of the ``metrics`` frame.
        weights: What it ended with, by our names; None where no file holds it.
        masks: Which weights may be nonzero; None where all may or no file tells.
        rewound: Weights to which the rounds rewind, and the epoch; of a dense run before rounds.
    """

    spec: ImportedSpec
    status: Mapping[str, Any]
    metrics: Sequence[Row]
    weights: Mapping[str, Tensor] | None
    masks: Masks | None
    rewound: tuple[int, Mapping[str, Tensor]] | None = None

    @property
    def trained(self) -> bool:
        """Whether it was trained for itself, as far as files tell."""
        own: int | None = self.status["own_epochs"]
        return own != 0


@dataclass(frozen=True)
class Lineage:
    """The runs of one training.

    Attributes:
        source: What its files tell.
        runs: The dense one first; one alone where there were no rounds of pruning.
        notes: What a reader of the results must know.
    """

    source: Source
    runs: tuple[ImportedRun, ...]
    notes: tuple[str, ...]

    @property
    def answer(self) -> ImportedRun:
        """The run that stands for the arm: the last that was trained after its pruning."""
        return next((run for run in reversed(self.runs) if run.trained), self.runs[-1])


def to_lineage(source: Source, task: Named | None, model: Any) -> Lineage:
    """Return the runs of a training.

    Where it was pruned by rounds, epochs up to the first pruning are of the dense network, those
    after a pruning of its round: figures of the epoch of a pruning were taken before it.

    Args:
        source: What its files tell.
        task: Of all files; None if it is not told.
        model: Likewise, name or table.

    Raises:
        InputError: Its files contradict each other, or fit no network.
    """
    tensors = _tensors(source, model)
    prunings = _prunings(source)
    if not prunings:
        return Lineage(source, (_run(source, task, model, tensors, None),), ())
    _check(source, prunings)
    stages = [
        _Stage(number, after, until, pruning, number == len(prunings))
        for number, (after, until, pruning) in enumerate(
            zip(
                [0, *(each.epoch for each in prunings)],
                [*(each.epoch for each in prunings), _last_epoch(source)],
                [None, *prunings],
                strict=True,
            )
        )
    ]
    runs = tuple(_run(source, task, model, tensors, stage) for stage in stages)
    return Lineage(source, runs, tuple(_notes(source, stages, runs)))


@dataclass(frozen=True)
class _Stage:
    """One training between prunings: the epochs after ``after`` up to ``until``, None if that is
    not known.
    """

    number: int
    after: int
    until: int | None
    pruning: Pruning | None
    last: bool

    @property
    def epochs(self) -> int | None:
        return None if self.until is None else self.until - self.after


@dataclass(frozen=True)
class _Tensors:
    """Weights and masks of a training by our names, where its network is known."""

    recognised: Recognised | None
    weights: Mapping[str, Tensor] | None
    rewound: tuple[int, Mapping[str, Tensor]] | None
    masks: Mapping[int | None, Masks]


def _tensors(source: Source, model: Any) -> _Tensors:
    own, rewound = source.of(Part.WEIGHTS), source.of(Part.REWOUND)
    recognised = None
    named: dict[str, Mapping[str, Tensor]] = {}
    for file in (rewound, own):
        if file is not None and file.tensors is not None:
            recognised = recognise(file.name, file.tensors.weights, model)
            named[file.name] = dict(starmap(recognised.ours, file.tensors.weights.items()))
    masks = {epoch: _masks(source, file, recognised) for epoch, file in source.masks.items()}
    if own is not None and own.tensors is not None and own.tensors.masks:
        masks.setdefault(None, _masks(source, own, recognised))
    start = None
    if rewound is not None and rewound.told.number is not None:
        start = (rewound.told.number, named[rewound.name])
    return _Tensors(recognised, None if own is None else named[own.name], start, masks)


def _masks(source: Source, file: File, recognised: Recognised | None) -> Masks:
    """Return the masks of a file, by our names where the network is known."""
    assert file.tensors is not None
    masks = file.tensors.masks
    like = source.of(Part.WEIGHTS) or source.of(Part.REWOUND)
    if recognised is None or like is None or like.tensors is None:
        return masks
    theirs = rename(file.name, masks, like.tensors.weights)
    return dict(recognised.ours(theirs[name], mask) for name, mask in masks.items())


def _prunings(source: Source) -> list[Pruning]:
    """Return the prunings that a log tells, or else the masks of each."""
    if source.log:
        return list(source.log)
    found = []
    for epoch, file in sorted((e, f) for e, f in source.masks.items() if e is not None):
        assert file.tensors is not None
        kept, total = _count(file.tensors.masks)
        found.append(Pruning(epoch, kept / total, kept, total))
    return found


def _check(source: Source, prunings: Sequence[Pruning]) -> None:
    """Check that tables and masks tell of the same prunings."""
    epochs = [pruning.epoch for pruning in prunings]
    last = _last_epoch(source)
    if last is not None and epochs[-1] > last:
        raise InputError(
            f"{source.who}: a pruning after epoch {epochs[-1]} is told, but figures end at epoch "
            f"{last}; it must not be later than they are"
        )
    for epoch, file in source.masks.items():
        if epoch is not None and epoch not in epochs:
            raise InputError(
                f"{file.name}: is of a pruning after epoch {epoch}, but the log tells prunings "
                f"after epochs {', '.join(map(str, epochs))}"
            )
    final, own = source.masks.get(None), source.masks.get(epochs[-1])
    if final is not None and own is not None and not _equal(final, own):
        raise InputError(
            f"{own.name} and {final.name}: both claim to be the last mask of {source.who} and "
            "differ; leave one out"
        )


def _equal(first: File, second: File) -> bool:
    assert first.tensors is not None
    assert second.tensors is not None
    a, b = first.tensors.masks, second.tensors.masks
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _last_epoch(source: Source) -> int | None:
    return int(source.rows[-1]["epoch"]) if source.rows else None


def _run(
    source: Source, task: Named | None, model: Any, tensors: _Tensors, stage: _Stage | None
) -> ImportedRun:
    """Return the run of a stage, or of a training without rounds."""
    last, first = stage is None or stage.last, stage is not None and stage.number == 0
    rows = [row for row in source.rows if stage is None or _within(row, stage)]
    masks = None
    if stage is None or stage.pruning is not None:
        masks = tensors.masks.get(None) if last else None
        if stage is not None and stage.pruning is not None:
            masks = tensors.masks.get(stage.pruning.epoch, masks)
    weights = tensors.weights if last else None
    rewound = tensors.rewound if first else None
    told = None if model is None else Named(*split_name(model, "--model"))
    spec = ImportedSpec(
        arm=(source.arm, source.point),
        files={name: file.digest for name, file in _files(source, stage)},
        round=None if stage is None else stage.number,
        task=task,
        model=told if tensors.recognised is None else tensors.recognised.model,
        optimizer=source.optimizer,
        lr=source.rate if source.rate is not None else _first_rate(source.rows),
        seed=source.seed,
    )
    status = {
        **figures_at_end(rows),
        "diverged_step": None,
        "epochs": _epochs(rows, stage),
        "own_epochs": _last_epoch(source) if stage is None else stage.epochs,
        "steps": None,
        "parameters": None if tensors.recognised is None else tensors.recognised.parameters,
        "task": None if task is None else task.name,
        "class_names": [],
        **_sparsity(stage, masks),
        "files": {name: file.name for name, file in _files(source, stage)},
        "source": "",
        "versions": {},
        "machine": {},
        "warnings": [],
        "finished": "",
    }
    metrics = [{key: _finite(row.get(key)) for key in METRICS if key != "run"} for row in rows]
    return ImportedRun(spec, status, metrics, weights, masks, rewound)


def _within(row: Row, stage: _Stage) -> bool:
    """Return whether an epoch is of a stage; that before any training is of the first."""
    epoch = int(row["epoch"])
    after = epoch > stage.after or (stage.number == 0 and epoch == 0)
    return after and (stage.until is None or epoch <= stage.until)


def _files(source: Source, stage: _Stage | None) -> Iterator[tuple[str, File]]:
    """Yield the files on which a run rests, by what they are."""
    for (part, epoch), file in source.files.items():
        if stage is not None:
            last = stage.last and epoch is None
            own = epoch is not None and stage.pruning is not None and epoch == stage.pruning.epoch
            if part is Part.MASK and not (last or own):
                continue
            if part is Part.WEIGHTS and not stage.last:
                continue
            if part is Part.REWOUND and stage.number > 0:
                continue
        yield (part.value if epoch is None else f"{part.value} {epoch}"), file


def _epochs(rows: Sequence[Row], stage: _Stage | None) -> int | None:
    """Return the epoch up to which a run was trained."""
    if stage is not None:
        return stage.until
    return int(rows[-1]["epoch"]) if rows else None


def _first_rate(rows: Sequence[Row]) -> float | None:
    return next((row["lr"] for row in rows if row["lr"] is not None), None)


def figures_at_end(rows: Sequence[Row]) -> Row:
    """Return status and figures at the end; a loss over the last epoch's batches is none."""
    last = {key: value for key, value in rows[-1].items() if value is not None} if rows else {}
    if any(key.endswith("_loss") and not math.isfinite(value) for key, value in last.items()):
        return {"status": "diverged"}
    kinds = ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
    return {"status": "done", **{key: _finite(last[key]) for key in kinds if key in last}}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sparsity(stage: _Stage | None, masks: Masks | None) -> Row:
    """Return what is known of the weights that a pruning left; the log's claim comes first."""
    pruning = None if stage is None else stage.pruning
    if pruning is None and masks is None:
        return {}
    layers = {
        name: {"weights": mask.numel(), "nonzero": int(mask.sum())}
        for name, mask in (masks or {}).items()
    }
    if pruning is None:
        nonzero, total = _count(masks or {})
        pruning = Pruning(0, nonzero / total, nonzero, total)
    return {
        "sparsity": {
            "round": 0 if stage is None else stage.number,
            "weights": pruning.total,
            "nonzero": pruning.nonzero,
            "kept": pruning.kept,
            "layers": layers,
        }
    }


def _count(masks: Mapping[str, Tensor]) -> tuple[int, int]:
    """Return how many weights masks keep, and of how many."""
    return sum(int(mask.sum()) for mask in masks.values()), sum(m.numel() for m in masks.values())


def _notes(source: Source, stages: Sequence[_Stage], runs: Sequence[ImportedRun]) -> Iterator[str]:
    for stage, run in zip(stages, runs, strict=True):
        if stage.pruning is None or run.masks is None or stage.pruning.nonzero is None:
            continue
        kept, total = _count(run.masks)
        if (kept, total) != (stage.pruning.nonzero, stage.pruning.total):
            yield (
                f"{source.who}: the log tells {stage.pruning.nonzero} of {stage.pruning.total} "
                f"weights after epoch {stage.pruning.epoch}, the mask keeps {kept} of {total}."
            )
    last, before = stages[-1], stages[-2]
    if last.epochs == 0 and last.pruning is not None:
        left = 1.0 if before.pruning is None else before.pruning.kept
        yield (
            f"{source.who}: nothing tells of a training after the last pruning, at epoch "
            f"{last.after}. The figures of that epoch are of the network before it, with "
            f"{100 * left:.3g} % of the weights, which stands for the arm; the one with "
            f"{100 * last.pruning.kept:.3g} % is round {last.number}, neither trained nor tested."
        )
