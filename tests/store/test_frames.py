"""Frames in the libraries that are asked for, against the Polars frames they are made of."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from tests.trackers.conftest import run_study

from thalweg import Results
from thalweg.errors import InputError

NAMES = ("frame", "metrics", "rounds", "series", "probes")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Of a study with a divergence, whose figures are null, and with rounds of pruning."""
    return run_study(tmp_path_factory.mktemp("frames") / "out")


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_arrow_has_the_same_columns_types_and_nulls(results: Results, name: str) -> None:
    polars = getattr(results, name)()
    arrow = getattr(results, name)("arrow")
    assert isinstance(arrow, pa.Table)
    assert arrow.to_pylist() == polars.to_dicts()
    kinds = {pl.String: pa.large_string(), pl.Int64: pa.int64(), pl.Float64: pa.float64()}
    for column, kind in polars.schema.items():
        assert arrow.schema.field(column).type == kinds.get(type(kind), pa.bool_())


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_of_pandas_has_nulls_and_whole_numbers(results: Results, name: str) -> None:
    pandas = pytest.importorskip("pandas", reason="needs the extra pandas")
    polars = getattr(results, name)()
    frame = getattr(results, name)("pandas")
    assert list(frame.columns) == polars.columns
    assert all(isinstance(kind, pandas.ArrowDtype) for kind in frame.dtypes)
    for column in polars.columns:
        assert frame[column].isna().sum() == polars[column].null_count()
        assert frame[column].dropna().tolist() == polars[column].drop_nulls().to_list()
    if name == "frame":
        diverged = frame[frame.status == "diverged"]
        assert diverged.test_loss.isna().all()
        assert frame.steps.dtype == "int64[pyarrow]"
        assert frame.groupby("arm").test_accuracy.max().notna().all()


def test_sql_answers_in_any_library(results: Results) -> None:
    sql = "SELECT arm, count(*) AS runs FROM arms GROUP BY arm ORDER BY arm"
    expected = [("same", 2), ("sgd", 4), ("ticket", 2)]
    assert results.query(sql).rows() == expected
    assert [tuple(row.values()) for row in results.query(sql, "arrow").to_pylist()] == expected
    with pytest.raises(InputError, match="query: "):
        results.query("SELECT nothing FROM nowhere")


def test_what_is_no_library_or_is_missing_is_said_in_a_sentence(
    results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="as_='numpy': must be polars, pandas or arrow"):
        results.frame("numpy")  # type: ignore[call-overload]
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(InputError, match="as_='pandas': needs the package pandas"):
        results.frame("pandas")
