import json
from collections.abc import Callable
from pathlib import Path

import pytest

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.files import DamageWarning
from thalweg.store.query import TABLES, query
from thalweg.store.results import METRICS


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY 1", [("diverged", 2), ("done", 2)]),
        (
            "SELECT point, min(seed), max(seed) FROM arms GROUP BY 1 ORDER BY 1",
            [("lr=0.1", 0, 1), ("lr=1e+30", 0, 1)],
        ),
        (
            "SELECT DISTINCT epoch FROM metrics JOIN arms USING (run) WHERE point = 'lr=0.1' "
            "ORDER BY 1",
            [(0,), (1,), (2,)],
        ),
        ("SELECT count(*) FROM runs JOIN arms USING (run, seed) WHERE study = 'small'", [(4,)]),
        ("SELECT count(*) FROM runs WHERE test_loss IS NULL AND status = 'diverged'", [(2,)]),
        ("SELECT 1 AS a, 2 AS a", [(1, 2)]),
        ("SELECT 1 WHERE false", []),
    ],
)
def test_sql_over_the_tables(small: Store, sql: str, rows: list[object]) -> None:
    assert query(small, sql).rows() == rows


def test_metrics_agree_with_the_runs(small: Store) -> None:
    last = query(
        small,
        "SELECT m.test_loss, r.test_loss FROM metrics m JOIN runs r USING (run) "
        "WHERE r.status = 'done' AND m.epoch = r.epochs",
    )
    assert [a for a, _ in last.rows()] == [b for _, b in last.rows()]
    assert query(small, "SELECT * FROM metrics").columns == list(METRICS)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELEC 1", "Parser Error"),
        ("SELECT * FROM run", "Catalog Error"),
        ("SELECT nothing FROM runs", "Binder Error"),
        ("SELECT CAST('x' AS INTEGER)", "Conversion Error"),
        ("", "must be a statement that returns rows"),
        ("SELECT * FROM read_parquet('/nowhere/*.parquet')", "IO Error"),
    ],
)
def test_sql_that_is_wrong_gets_a_sentence(small: Store, sql: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        query(small, sql)
    assert str(caught.value).startswith("query: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_store_has_the_tables_all_the_same(tmp_path: Path, table: str) -> None:
    store = Store(tmp_path, create=True)
    assert query(store, f"SELECT * FROM {table}").is_empty()


def test_the_folder_s_name_does_not_matter(
    train_small: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = train_small(tmp_path / 'it\'s [a] *wild* "name", größer?')
    assert query(store, "SELECT count(DISTINCT run) FROM metrics").item() > 0


def test_runs_in_training_are_missing(train_small: Callable[[Path], Store], tmp_path: Path) -> None:
    store = train_small(tmp_path / "out")
    run = next(store.runs())
    run.begin(run.spec(), [run.id])
    statuses = query(store, "SELECT run, status FROM runs").rows()
    assert (run.id, "missing") in statuses
    assert query(store, f"SELECT * FROM metrics WHERE run = '{run.id}'").is_empty()


def test_a_damaged_table_gets_a_sentence(
    train_small: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = train_small(tmp_path / "out")
    run, *others = store.runs()
    path = run.path / "metrics.parquet"
    for content in (b"not parquet", None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.warns(DamageWarning, match=rf"{path}: not readable .* counts as missing"):
            found = query(store, "SELECT DISTINCT run FROM metrics")
        assert set(found["run"]) == {each.id for each in others}


def test_values_of_any_kind_become_json(small: Store) -> None:
    frame = query(
        small, "SELECT DATE '2024-01-01' AS d, [1, 2] AS l, {'a': 1} AS s, 1.5::DECIMAL AS x"
    )
    assert json.loads(json.dumps(frame.to_dicts(), default=str))[0]["l"] == [1, 2]
