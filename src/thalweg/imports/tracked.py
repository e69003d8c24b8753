"""From what trackers have kept to runs of a study."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from thalweg.data import TASKS
from thalweg.errors import InputError
from thalweg.imports.columns import LARGEST, Row, metric_of
from thalweg.imports.foreign import Foreign, plain, read_table, shown
from thalweg.imports.mlflow_stores import (
    DATABASES,
    find_meta,
    is_search,
    read_database,
    read_mlruns,
    read_search,
)
from thalweg.imports.names import TABLES, optimizer_in
from thalweg.imports.runs import ImportedRun, Lineage, figures_at_end
from thalweg.imports.sources import Source
from thalweg.imports.wandb_exports import (
    is_runs_table,
    read_json_export,
    read_offline,
    read_runs_table,
)
from thalweg.models import MODELS
from thalweg.registry import Registry
from thalweg.spec import ImportedSpec, Named
from thalweg.spec.named import split_name
from thalweg.spec.run import parse_named
from thalweg.store.assemble import DESCRIBED
from thalweg.store.results import METRICS
from thalweg.study.axes import Axes
from thalweg.trackers.tracker import FINAL

OURS = "thalweg."
"""What the tags that Thalweg itself has logged begin with."""

_KEYS = {
    "optimizer": ("optimizer.name", "optimizer", "optim", "algorithm", "alg"),
    "lr": ("optimizer.lr", "lr", "learning_rate", "train.lr"),
    "seed": ("seed", "random_seed", "random_state", "train.seed"),
    "batch_size": ("train.batch_size", "batch_size", "bs"),
    "task": ("task.name", "task", "dataset"),
    "model": ("model.name", "model", "arch", "architecture"),
}
"""Names of parameters that are understood, the likeliest first."""

_OPTIONS = frozenset({"momentum", "nesterov", "weight_decay", "betas", "beta1", "beta2", "eps"})
"""Names of an optimizer's options where no table ``optimizer`` holds them."""

_TABLES = ("optimizer", "model", "task", "train", "sparsity")
"""Tables of a spec, of which a run that Thalweg has logged tells all keys."""

_SPARSE = ("kept", "effective_density", "dead", "zombies", "forward_flops", "nonzero_flops")


def find_tracked(what: Sequence[Path]) -> list[Foreign] | None:
    """Return the runs that trackers' files and folders hold; None if none of them is a tracker's.

    Raises:
        InputError: One cannot be read, or some are a tracker's and others are not.
    """
    readers = [_reader(path) for path in what]
    if not any(readers):
        return None
    for path, reader in zip(what, readers, strict=True):
        if reader is None:
            raise InputError(f"{path}: is no tracker's, as others are; import it by itself")
    return [run for reader in readers if reader is not None for run in reader()]


def _reader(path: Path) -> Callable[[], list[Foreign]] | None:
    """Return what reads a file or folder of a tracker; None for any other."""
    if path.is_dir():
        if (database := path / "mlflow.db").is_file():
            return lambda: read_database(database)
        for folder in (path, path / "mlruns"):
            if find_meta(folder):
                return lambda folder=folder: read_mlruns(folder)  # type: ignore[misc]
        patterns = ("*.wandb", "*run-*/*.wandb", "wandb/*run-*/*.wandb")
        files = [found for pattern in patterns for found in path.glob(pattern)]
        kept = [found for found in files if not found.is_symlink() and not _is_latest(found)]
        return (lambda: read_offline(kept)) if kept else None
    if not path.is_file():
        return None
    if path.suffix in DATABASES:
        return lambda: read_database(path)
    if path.suffix == ".wandb":
        return lambda: read_offline([path])
    if path.suffix in (".json", ".jsonl"):
        return lambda: read_json_export(path)
    table = read_table(path) if path.suffix in TABLES else None
    if table is None:
        return None
    if is_search(table):
        return lambda: read_search(path, table)
    return (lambda: read_runs_table(path, table)) if is_runs_table(table) else None


def _is_latest(path: Path) -> bool:
    """Return whether a file is found by W&B's link to the last run, beside that run's folder."""
    return path.parent.is_symlink()


def to_lineages(
    found: Sequence[Foreign],
    task: Named | None,
    model: Any,
    arm: str | None,
    seed: int | None,
) -> tuple[list[Lineage], list[str]]:
    """Return the trainings of what trackers have kept, and sentences on what was not taken.

    A run that Thalweg has logged stands where it stood. Of any other the arm is its optimizer, or
    its own name; the point is what differs among the runs of an arm beside the seed.

    Args:
        found: The runs.
        task: Of all of them; None for what each tells.
        model: Likewise, name or table.
        arm: Of all of them that Thalweg has not logged.
        seed: Of those that tell none.

    Raises:
        InputError: A run tells no seed or a wrong figure, or two claim the same place.
    """
    ended = [run for run in found if run.ended]
    if not ended:
        raise InputError("no run has come to its end; nothing is imported")
    notes = []
    if left := len(found) - len(ended):
        names = ", ".join(run.where for run in found if not run.ended)
        notes.append(f"{left} runs that have not come to their end were left aside: {names[:200]}")
    lineages: list[Lineage] = []
    figures: dict[str, None] = {}
    asked: dict[str, None] = {}
    for place, runs in _places(ended, arm, seed).items():
        source = _source(*place, runs)
        if len({number for number, _ in runs}) < len(runs):
            raise InputError(
                f"{runs[0][1].where} and {runs[-1][1].where}: both claim to be {source.who}; leave "
                "one out, or import it under another --arm or --seed"
            )
        lineages.append(Lineage(source, tuple(_runs(source, runs, task, model)), ()))
        for _, run in runs:
            told = {*run.summary, *(key for row in run.history.values() for key in row)}
            figures |= dict.fromkeys(name for name in sorted(told) if not _is_known(name))
            asked |= dict.fromkeys(name for name in run.parameters if not _is_asked(name, source))
    for what, unknown in (("Figures", figures), ("Parameters", asked)):
        if unknown:
            listed = ", ".join(map(shown, list(unknown)[:10]))
            more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
            notes.append(f"{what} that have no place here were left out: {listed}{more}.")
    return lineages, notes


def _is_asked(name: str, source: Source) -> bool:
    """Return whether a parameter has a place in a spec, or is an axis."""
    known = {key for names in _KEYS.values() for key in names}
    head = name.partition(".")[0]
    return name in known | _OPTIONS or name in source.axes or head in _TABLES


def _is_known(name: str) -> bool:
    own = name.removeprefix(FINAL) in DESCRIBED if name.startswith(FINAL) else name in METRICS
    return own or metric_of(name) is not None


Place = tuple[str, str, int]
"""Arm, its axes as JSON, and seed."""

Members = list[tuple[int | None, Foreign]]
"""Runs by their round."""


def _places(runs: Sequence[Foreign], arm: str | None, seed: int | None) -> dict[Place, Members]:
    """Return which runs stand where."""
    found: dict[Place, Members] = defaultdict(list)
    others = []
    for run in runs:
        own = _own_places(run)
        for each in own:
            place = (_label(each["arm"]), _json(each["axes"]), each["seed"])
            found[place].append((each.get("round"), run))
        if not own:
            others.append(run)
    arms: dict[str, list[Foreign]] = defaultdict(list)
    for run in others:
        name = arm or _text(_told(run, "optimizer")) or run.name or "imported"
        arms[_label(name)].append(run)
    for name, alike in arms.items():
        differing = _differing(alike)
        for run in alike:
            axes = {key: run.parameters[key] for key in differing if key in run.parameters}
            found[name, _json(axes), _seed(run, seed)].append((None, run))
    for members in found.values():
        members.sort(key=lambda member: member[0] or 0)
    return found


def _own_places(run: Foreign) -> list[dict[str, Any]]:
    """Return where a run that Thalweg has logged stood; nothing for any other, or what is none."""
    try:
        told = json.loads(run.tags.get(f"{OURS}places", "[]"))
        return [
            {
                "arm": str(each["arm"]),
                "axes": {str(key): value for key, value in each["axes"].items()},
                "seed": _whole(each["seed"], run),
                **({"round": _whole(each["round"], run)} if "round" in each else {}),
            }
            for each in told
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _differing(runs: Sequence[Foreign]) -> list[str]:
    """Return the parameters that are not the same in all runs, beside seeds."""
    names = sorted({key for run in runs for key in run.parameters} - {*_KEYS["seed"]})
    return [n for n in names if len({_json(run.parameters.get(n)) for run in runs}) > 1]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _seed(run: Foreign, otherwise: int | None) -> int:
    told = _told(run, "seed")
    if told is None and otherwise is None:
        raise InputError(f"{run.where}: tells no seed; give it with --seed, a whole number")
    return _whole(told if told is not None else otherwise, run)


def _whole(value: Any, run: Foreign) -> int:
    whole = isinstance(value, int | float) and math.isfinite(value) and value == int(value)
    if not whole or not 0 <= value <= LARGEST:
        raise InputError(
            f"{run.where}: seed = {value!r}: must be a whole number from 0 to {LARGEST}"
        )
    return int(value)


def _label(name: str) -> str:
    """Return a stranger's name as that of an arm, which runs are found by."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f/\\]+", "-", name)[:100]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _told(run: Foreign, what: str) -> Any:
    """Return a parameter, under whatever of its names it is told; None if it is not."""
    return next((run.parameters[k] for k in _KEYS[what] if run.parameters.get(k) is not None), None)


def _source(arm: str, axes: str, seed: int, runs: Members) -> Source:
    told: Axes = json.loads(axes)
    first = runs[0][1]
    optimizer = _text(_told(first, "optimizer")) or optimizer_in(arm)
    return Source(arm, None, seed, optimizer, tuple(_rows(runs[-1][1])), told_axes=told)


def _runs(source: Source, runs: Members, task: Named | None, model: Any) -> Iterator[ImportedRun]:
    for number, run in runs:
        rows = _rows(run)
        known = task or _registered(TASKS, run, "task")
        status = _status(run, rows, known, number)
        rate, batch = _told(run, "lr"), _told(run, "batch_size")
        yield ImportedRun(
            ImportedSpec(
                arm=(source.arm, source.point),
                files={"tracked": run.digest},
                round=number,
                task=known,
                model=_registered(MODELS, run, "model") if model is None else _named(model),
                optimizer=source.optimizer,
                lr=float(rate) if _is_number(rate) else None,
                seed=source.seed,
                batch_size=batch if isinstance(batch, int | str) else None,
                hyperparameters=dict(_hyperparameters(run)),
            ),
            status,
            rows,
            None,
            None,
        )


def _named(model: Any) -> Named:
    return Named(*split_name(model, "--model"))


def _registered(registry: Registry[Any], run: Foreign, what: str) -> Named | None:
    """Return a task or model that is one of ours; a stranger's code is never imported for it."""
    name = _told(run, what)
    if not isinstance(name, str) or name not in registry.names():
        return None
    options: dict[str, Any] = {}
    for key, value in run.parameters.items():
        head, *keys = key.split(".")
        if head == what and keys and keys != ["name"]:
            inner = options
            for table in keys[:-1]:
                inner = inner.setdefault(table, {})
            inner[keys[-1]] = plain(value) if isinstance(value, str) else value
    try:
        return parse_named(registry, {**options, "name": name}, what)
    except (InputError, AttributeError, TypeError):  # it tells a key as table and as value
        return None


def _hyperparameters(run: Foreign) -> Iterator[tuple[str, Any]]:
    for key, value in run.parameters.items():
        head, _, name = key.partition(".")
        if head == "optimizer" and name not in ("", "name", "lr", "code"):
            yield name, value
        elif key in _OPTIONS:
            yield key, value


def _rows(run: Foreign) -> list[Row]:
    """Return the rows of the ``metrics`` frame: one an epoch, its last figures."""
    by_epoch: dict[int, Row] = defaultdict(dict)
    rows = [(step, _known(figures)) for step, figures in sorted(run.history.items())]
    whole = [row for row in rows if _is_epoch(row[1].get("epoch"))]
    for step, row in whole or rows:
        epoch = int(row["epoch"]) if whole else step
        if not 0 <= epoch <= LARGEST:
            raise InputError(f"{run.where}: epoch {epoch}: must be from 0 to {LARGEST}")
        by_epoch[epoch] |= {**row, "epoch": epoch}
    found = [by_epoch[epoch] for epoch in sorted(by_epoch) if len(by_epoch[epoch]) > 1]
    for key in ("validation_accuracy", "test_accuracy"):
        _share(found, key)
    return [
        {key: _as(kind, row.get(key)) for key, kind in METRICS.items() if key != "run"}
        for row in found
    ]


def _known(figures: Mapping[str, float]) -> Row:
    """Return the figures that have a place here, by their names here."""
    known = {metric_of(key): value for key, value in figures.items() if metric_of(key) is not None}
    known.pop("train_accuracy", None)  # over an epoch's batches, which has no place
    own = {key: value for key, value in figures.items() if key in METRICS}
    return {**{key: value for key, value in known.items() if key is not None}, **own}


def _share(rows: Sequence[Row], key: str) -> None:
    """Turn percentages into shares, where one is above 1."""
    if any(row.get(key) is not None and row[key] > 1 for row in rows):
        for row in rows:
            if row.get(key) is not None:
                row[key] /= 100


def _is_epoch(value: Any) -> bool:
    return _is_number(value) and value == int(value) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _as(kind: Any, value: Any) -> Any:
    """Return a figure as its column holds it; None for one that is not finite."""
    if not _is_number(value):
        return None
    return int(value) if kind.is_integer() else float(value)


def _status(run: Foreign, rows: Sequence[Row], task: Named | None, number: int | None) -> Row:
    final = {
        key: _as(DESCRIBED[key], run.summary[FINAL + key])
        for key in DESCRIBED
        if FINAL + key in run.summary and DESCRIBED[key].is_numeric()
    }
    last = rows[-1]["epoch"] if rows else None
    told = {key: run.tags.get(OURS + key) for key in ("status", "message", "backend", "device")}
    if told["status"] not in ("done", "diverged"):
        told["status"] = None
        figures = {key: v for key, v in _known(run.summary).items() if _is_number(v)}
        figures.pop("epoch", None)
        _share([figures], "test_accuracy")
        _share([figures], "validation_accuracy")
        final = {**figures_at_end(_with_losses(run, rows or [figures])), **final}
    return {
        "diverged_step": None,
        "epochs": last,
        "steps": None,
        "parameters": None,
        "own_epochs": last,
        **{key: value for key, value in final.items() if key not in _SPARSE},
        **_sparsity(final, number),
        **{key: value for key, value in told.items() if value is not None},
        "task": None if task is None else task.name,
        "class_names": [],
        "files": {"tracked": run.where},
        "source": "",
        "versions": {},
        "machine": {},
        "warnings": [],
        "finished": run.tags.get(f"{OURS}finished", ""),
    }


def _with_losses(run: Foreign, rows: Sequence[Row]) -> list[Row]:
    """Return rows, the last with losses that are not finite, by which a divergence is told."""
    losses = {k: v for k, v in _known(run.summary).items() if k.endswith("_loss")}
    bad = {key: value for key, value in losses.items() if not math.isfinite(value)}
    return [*rows[:-1], {**rows[-1], **bad}] if rows else []


def _sparsity(final: Mapping[str, Any], number: int | None) -> Row:
    """Return what is known of a run's sparsity, in the form of a status."""
    if final.get("kept") is None:
        return {}
    names = {"forward_flops": "flops"}
    total = {names.get(key, key): final.get(key) for key in _SPARSE[1:]}
    known = {} if None in total.values() else {"connectivity": {"total": total}}
    return {"sparsity": {"round": number or 0, "kept": final["kept"], "layers": {}, **known}}
