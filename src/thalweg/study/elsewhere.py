"""The record of a study whose runs were trained elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import tomli_w
from filelock import FileLock

from thalweg.errors import InputError
from thalweg.spec.run import IMPORTED
from thalweg.store import Store
from thalweg.store.files import read_json, write_json, write_whole

Record = dict[str, Any]

THEN = " && "
"""Between the commands of several imports."""

FROM_FILES = (
    "The runs were imported from files of another program: what these do not tell is unknown, and "
    "nothing of it was trained here."
)

FROM_A_LOOP = (
    "Runs were trained in a loop of someone's own, which instruments watched: what is not told of "
    "it is unknown, and nothing can train it again."
)

WATCHED = "watched"
"""Key that marks the entry of a run that was watched."""


def check_elsewhere(store: Store, name: str) -> None:
    """Check that a study of this name, if there is one, is of runs that were trained elsewhere.

    Raises:
        InputError: It was run in this store.
    """
    path = store.study_folder(name) / "study.json"
    if path.exists() and IMPORTED not in read_json(path):
        raise InputError(
            f"--study {name}: is a study that was run in {store.root}; must be another name"
        )


def record_elsewhere(
    store: Store,
    name: str,
    entries: Iterable[Record],
    command: str,
    assumed: Sequence[str] = (),
    probes: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Write which run stands at which arm, point and seed, beside those that do already.

    Args:
        store: Where the runs lie.
        name: Of the study, which is begun or added to.
        entries: Arm, point, axes, seed, run, the runs of its rounds, and notes, of each.
        command: By which it is done.
        assumed: Sentences on what was assumed.
        probes: Files of what was measured of the runs as they trained, by label.

    Returns:
        The runs that no longer stand anywhere.

    Raises:
        InputError: The runs of the study were measured otherwise under the same label.
        ThalwegError: The store cannot be written.
    """
    locks = store.root / "locks"
    locks.mkdir(exist_ok=True)
    with FileLock(locks / f"study-{name}.lock"):
        return _record(store, name, list(entries), command, assumed, probes or {})


def _record(
    store: Store,
    name: str,
    entries: Sequence[Record],
    command: str,
    assumed: Sequence[str],
    probes: Mapping[str, str],
) -> tuple[str, ...]:
    folder = store.study_folder(name)
    path = folder / "study.json"
    before: Record = read_json(path) if path.exists() else {}
    old = {_place(entry): entry for entry in before.get(IMPORTED, [])}
    every = list({**old, **{_place(entry): entry for entry in entries}}.values())
    known = before.get("probes", {})
    for label, file in probes.items():
        if known.get(label, file) != file:
            raise InputError(
                f"study {name!r}: its runs were watched by other instruments, or at other steps; "
                "must be another study, or the same instruments"
            )
    supposed = list(dict.fromkeys([*before.get("assumed", []), *assumed]))
    watched = [entry.get(WATCHED, False) for entry in every]
    origins = [] if all(watched) else [FROM_FILES]
    origins += [FROM_A_LOOP] if any(watched) else []
    record: Record = {
        "name": name,
        "title": f"{name}, {'watched' if all(watched) else 'imported'}",
        "question": "",
        "notes": [*origins, *supposed, *(note for entry in every for note in entry["notes"])],
        "assumed": supposed,
        "targets": {},
        "search": {},
        "probes": {**known, **probes},
        "source": "",
        "started": before.get("started", datetime.now(UTC).isoformat(timespec="seconds")),
        "sequential": None,
        IMPORTED: every,
        "runs": [
            {key: entry[key] for key in ("arm", "point", "axes", "seed", "run")} for entry in every
        ],
        "rounds": [
            {**{key: entry[key] for key in ("arm", "point", "seed")}, "round": number, "run": run}
            for entry in every
            for number, run in enumerate(entry["rounds"])
        ],
    }
    if record != {key: value for key, value in before.items() if key != "command"}:
        commands = dict.fromkeys([*before.get("command", "").split(THEN), command])
        arms: dict[str, list[int]] = {}
        for entry in every:
            arms.setdefault(entry["arm"], []).append(entry["seed"])
        table = {"study": {"name": name}, IMPORTED: {"seeds": arms}}
        write_whole(folder / "study.toml", tomli_w.dumps(table))
        write_json(path, {**record, "command": THEN.join(filter(None, commands))})
    return tuple(sorted(_ids(old.values()) - _ids(every)))


def _place(entry: Record) -> tuple[Any, ...]:
    return entry["arm"], entry["point"], entry["seed"]


def _ids(entries: Iterable[Record]) -> set[str]:
    return {run for entry in entries for run in [entry["run"], *entry["rounds"]]}
