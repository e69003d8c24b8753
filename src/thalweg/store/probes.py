"""What probes have measured of runs, as rows of a frame."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

from thalweg.store.store import Store

Row = dict[str, Any]


def probe_rows(
    entries: Sequence[Mapping[str, Any]], store: Store, files: Mapping[str, str]
) -> list[Row]:
    """Return one row a figure; see `thalweg.store.results.PROBES`.

    Args:
        entries: Of a study's record: arm, point, seed and run.
        store: Where the runs lie.
        files: Name of the file of a run that has the figures, by the probe's label.
    """
    found = {
        (run_id, label): list(_figures(figures))
        for run_id in dict.fromkeys(entry["run"] for entry in entries)
        for label, file in files.items()
        if (figures := store.run(run_id).figures(file)) is not None
    }
    return [
        {**{key: entry[key] for key in ("run", "arm", "point", "seed")}, "probe": label, **row}
        for entry in entries
        for label in files
        for row in found.get((entry["run"], label), ())
    ]


def _figures(figures: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in figures.items():
        if not isinstance(value, list):
            yield _row(name, None, value)
        elif not any(isinstance(each, list) for each in value):  # quadratures stay in their files
            yield from (_row(name, index, each) for index, each in enumerate(value))


def _row(figure: str, index: int | None, value: Any) -> Row:
    number = None if value is None or isnan(value) else float(value)
    return {"figure": figure, "index": index, "value": number}
