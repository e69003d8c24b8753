"""What runs were asked, as columns: a spec's keys with dots between them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

LEFT_OUT = ("seed", "format")
"""Keys of a spec that are no columns: the table has a run's seed already."""


def flattened(spec: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys of a spec and their values: ``train.batch_size`` and 64; lists as JSON."""
    for key, value in spec.items():
        path = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{path}.")
        elif isinstance(value, Mapping | list):
            yield path, json.dumps(value)
        else:
            yield path, value


def spec_frame(specs: Sequence[Mapping[str, Any] | None]) -> pl.DataFrame:
    """Return a row a spec, with a column for each key that any of them has.

    Numbers stay numbers; a column with values of several kinds is text, and null is what a spec
    does not have, or all of a run without one.
    """
    rows = [dict(flattened(spec or {})) for spec in specs]
    keys = dict.fromkeys(key for row in rows for key in row)
    return pl.DataFrame(
        {
            key: _column([row.get(key) for row in rows])
            for key in keys
            if key.partition(".")[0] not in LEFT_OUT
        }
    )


def _column(values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(values, dtype=pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(values, dtype=pl.Float64)
    texts = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(texts, dtype=pl.String)
