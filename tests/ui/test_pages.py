"""Every page, against the frames that it is made from."""

import csv
import io
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from asking import whole, words

from thalweg.errors import InputError
from thalweg.report.charts import Axis, Chart, Line, Style
from thalweg.report.figures import Group
from thalweg.report.summary import summary
from thalweg.report.table import Column, build_table
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.files import write_json
from thalweg.study.panels import panels
from thalweg.ui.content import Choice, Content, View

Ask = Callable[..., Any]


def view(show: Callable[..., Content], name: str = "own") -> View:
    return View(name, "A view of one's own", lambda results: True, show)


def test_the_first_page_lists_every_study(small: Path, client: Ask) -> None:
    page = whole(client(small), "/")
    told = words(page)
    assert "Two step sizes" in told
    assert "12 runs: 9 done , 3 diverged" in told
    results = read_results(Store(small), "small")
    (finding,) = summary(results, panels(results)).findings
    assert f"{finding.arm}" in told
    assert finding.figure in page
    assert 'href="/studies/small"' in page


def test_an_empty_folder_says_so(tmp_path: Path, client: Ask) -> None:
    Store(tmp_path / "out", create=True)
    assert "no studies here yet" in words(whole(client(tmp_path / "out"), "/"))


def test_the_overview_says_what_the_report_says(small: Path, client: Ask) -> None:
    page = whole(client(small), "/studies/small")
    told = words(page)
    assert "100 % of 12 runs: 9 done , 3 diverged" in told
    results = read_results(Store(small), "small")
    said = summary(results, panels(results))
    for text in (*(f.sentence for f in said.findings), *said.warnings):
        assert " ".join(text.split()) in told
    assert 'aria-current="page">Overview' in page
    assert "Read with care" in told
    assert 'data-over="yes"' in page or 'data-over="no"' in page


def test_a_run_has_a_page(small: Path, client: Ask) -> None:
    results = read_results(Store(small), "small")
    row = results.runs.filter(arm="heavy", seed=1).to_dicts()[0]
    page = whole(client(small), f"/runs/{row['run']}")
    told = words(page)
    assert "heavy, seed 1" in told
    assert "optimizer.momentum 0.9" in told
    assert f"test loss {row['test_loss']:.5g}" in told
    assert str(small / "runs" / row["run"]) in told
    figures = json.loads(re.search('id="figures">(.*?)</script>', page)[1])  # type: ignore[index]
    lines = {trace["name"]: trace for trace in figures["run-loss"]["data"]}
    own = results.metrics.filter(run=row["run"]).sort("epoch")
    assert lines["test loss"]["x"] == own["epoch"].to_list()
    assert lines["test loss"]["y"] == pytest.approx(own["test_loss"].to_list())
    wild = results.runs.filter(arm="wild", seed=0)["run"].item()
    assert "diverged : its loss was" in words(whole(client(small), f"/runs/{wild}"))


def rows(client: Any, query: str) -> dict[str, Any]:
    whole(client, "/studies/small/runs")
    found = client.get(f"/studies/small/runs/rows.json?{query}")
    assert found.status_code == 200, found.text
    return dict(found.json())


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("", pl.lit(True)),
        ("key=arm&operator=eq&value=heavy", pl.col("arm") == "heavy"),
        ("key=optimizer.lr&operator=ge&value=0.1", pl.col("lr") >= 0.1),
        ("key=test_loss&operator=lt&value=1", pl.col("test_loss") < 1),
        (
            "key=status&operator=ne&value=diverged&key=seed&operator=gt&value=0",
            (pl.col("status") != "diverged") & (pl.col("seed") > 0),
        ),
        ("key=message&operator=has&value=LOSS", pl.col("message").str.contains("loss")),
        ("key=optimizer.nesterov&operator=eq&value=true", pl.lit(False)),
        ("key=&operator=eq&value=3", pl.lit(True)),
    ],
)
def test_rows_are_filtered(query: str, condition: Any, small: Path, client: Ask) -> None:
    found = rows(client(small), query)
    wanted = read_results(Store(small), "small").runs.filter(condition)
    assert found["total"] == len(wanted)
    assert found["runs"] == wanted["run"].to_list()


def test_rows_are_sorted_and_sent_from_where_they_are_wanted(small: Path, client: Ask) -> None:
    asking = client(small)
    found = rows(asking, "sort=-test_loss&column=seed&column=test_loss&offset=2")
    frame = read_results(Store(small), "small").runs
    known = frame.filter(pl.col("test_loss").is_not_null()).sort("test_loss", descending=True)
    assert found["total"] == 12
    assert found["runs"][:7] == known["run"].to_list()[2:]
    assert [row[1] for row in found["rows"]][-3:] == ["—", "—", "—"]  # null comes last
    assert found["rows"][0] == [str(known["seed"][2]), f"{known['test_loss'][2]:.5g}"]


def test_groups_have_the_mean_of_their_runs(small: Path, client: Ask) -> None:
    from scipy.stats import t

    asking = client(small)
    query = "group=arm&group=optimizer.lr&metric=test_loss&sort=-mean"
    told = words(whole(asking, f"/studies/small/runs?{query}"))
    assert "4 groups" in told
    text = asking.get(f"/studies/small/runs.csv?{query}").text
    table = list(csv.DictReader(io.StringIO(text)))
    frame = read_results(Store(small), "small").runs
    assert [row["arm"] for row in table][-1] == "wild"  # without a mean
    for row in table:
        own = frame.filter(arm=row["arm"], lr=float(row["optimizer.lr"]))
        assert int(row["runs"]) == len(own) == 3
        losses = own.filter(status="done")["test_loss"].to_numpy()
        assert int(row["done"]) == len(losses)
        assert int(row["diverged"]) == 3 - len(losses)
        if not len(losses):
            assert row["mean"] == row["low"] == ""
            continue
        low, high = t.interval(0.95, 2, losses.mean(), losses.std(ddof=1) / 3**0.5)
        assert float(row["mean"]) == pytest.approx(losses.mean())
        assert (float(row["low"]), float(row["high"])) == pytest.approx((low, high))
        assert float(row["least"]) == losses.min()
    means = [float(row["mean"]) for row in table[:-1]]
    assert means == sorted(means, reverse=True)


def test_a_group_leads_to_its_runs(small: Path, client: Ask) -> None:
    asking = client(small)
    page = whole(asking, "/studies/small/runs?group=optimizer.lr")
    link = re.search(r'href="(/studies/small/runs\?key=[^"]*value=0.2[^"]*)"', page)
    assert link
    assert "3 runs" in words(whole(asking, link[1].replace("&amp;", "&")))


def test_the_file_has_every_row_and_column(small: Path, client: Ask) -> None:
    asking = client(small)
    whole(asking, "/studies/small/runs")
    text = asking.get("/studies/small/runs.csv?column=seed").text
    table = pl.read_csv(io.StringIO(text))
    frame = read_results(Store(small), "small").runs
    assert table["run"].to_list() == frame["run"].to_list()
    assert table["test_loss"].to_list() == frame["test_loss"].to_list()
    assert {"model.widths", "train.batch_size", "optimizer.momentum"} <= set(table.columns)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("/studies/small/runs?column=nope", "unknown column 'nope'"),
        ("/studies/small/runs?sort=nope", "unknown sort 'nope'"),
        ("/studies/small/runs?key=nope&operator=eq&value=1", "unknown key 'nope'"),
        ("/studies/small/runs?key=seed&operator=like&value=1", "unknown operator 'like'"),
        ("/studies/small/runs?key=seed&operator=eq&value=one", "must be a number"),
        ("/studies/small/runs?key=seed", "one key, one operator and one value"),
        ("/studies/small/runs?offset=-1", "must be a whole number"),
        ("/studies/small/runs?group=arm&metric=status", "unknown metric 'status'"),
        ("/studies/small/runs/rows.json?column=nope", "unknown column 'nope'"),
    ],
)
def test_what_is_wrong_is_said(address: str, sentence: str, small: Path, client: Ask) -> None:
    asking = client(small)
    whole(asking, "/studies/small/runs")
    answer = asking.get(address)
    assert answer.status_code == 400
    assert sentence in answer.text.replace("&#39;", "'")


@pytest.mark.parametrize(
    "address",
    [
        "/nope",
        "/studies/nope",
        "/studies/%2e%2e%2fruns",
        "/studies/nope/state.json",
        "/studies/small/nope",
        "/studies/small/curves/nope.csv",
        "/runs/nope",
        "/runs/%2e%2e",
        "/static/nope.js",
        "/static/..%2fapp.py",
        "/studies/small/written/report/index.html",
        "/studies/small/written/report/..%2fstudy.json",
    ],
)
def test_what_is_not_there_is_said(address: str, small: Path, client: Ask) -> None:
    asking = client(small)
    if "curves" in address:
        whole(asking, "/studies/small/curves")
    answer = asking.get(address)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_a_view_is_shown_with_its_controls(small: Path, client: Ask) -> None:
    def show(results: Any, store: Any, asked: Any) -> Content:
        metric = asked.get("metric", ("loss",))[0]
        if metric not in ("loss", "accuracy"):
            raise InputError(f"metric {metric!r}: must be loss or accuracy")
        nothing = [None, None]
        line = Line("<b>plain</b>", Style(0, 0), [0, 1], [3.0, 1.0], nothing, nothing)
        axes = Axis("Epoch"), Axis("Loss")
        chart = Chart("one", f"By {metric}", "A line that falls.", "It falls.", *axes, (line,))
        table = build_table(
            *("arms", "Arms", "One row an arm."),
            [{"arm": "<i>", "loss": 1 / 3}],
            {"arm": pl.String, "loss": pl.Float64},
            [Column("arm", lambda r: r["arm"], False), Column("loss", lambda r: "0.33")],
        )
        return Content(
            "How to read it.",
            (
                Choice("metric", "Metric", (("loss", "Loss"), ("accuracy", "Hits")), (metric,)),
                Choice("arm", "Arms", (("a", "A"), ("b", "B")), ("b",), several=True),
            ),
            ("A sentence & more.",),
            (Group("A note.", (chart,)),),
            (table,),
        )

    asking = client(small, [view(show)])
    page = whole(asking, "/studies/small/own?metric=accuracy&kept=yes")
    assert '<option value="accuracy" selected>Hits</option>' in page
    assert re.search(r'name="arm" value="b" checked>', page)
    assert re.search(r'name="arm" value="a">', page)
    assert '<input type="hidden" name="kept" value="yes">' in page
    assert 'data-chart="one"' in page
    assert 'data-description="A line that falls."' in page
    assert "A sentence &amp; more." in page
    for text in ("How to read it.", "A note.", "By accuracy", "It falls.", "One row an arm."):
        assert text in page
    assert "<i>" not in page and "<b>" not in page
    figures = json.loads(re.search('id="figures">(.*?)</script>', page)[1])  # type: ignore[index]
    assert figures["one"]["data"][0]["name"] == "&lt;b&gt;plain&lt;/b&gt;"
    answer = asking.get("/studies/small/own/arms.csv?metric=accuracy&kept=yes")
    assert answer.text == f"arm,loss\n<i>,{1 / 3}\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="small-arms.csv"'
    assert "must be loss or accuracy" in whole(asking, "/studies/small/own?metric=x", 400)
    assert asking.get("/studies/small/own/nope.csv").status_code == 404


def test_a_view_that_takes_long_is_waited_for(small: Path, client: Ask) -> None:
    ready = threading.Event()

    def show(results: Any, store: Any, asked: Any) -> Content:
        ready.wait(30)
        return Content("Here it is.")

    asking = client(small, [view(show)])
    first = asking.get("/studies/small/own")
    assert first.status_code == 200
    assert "is being made" in first.text
    assert 'data-mark="unfinished"' in first.text
    ready.set()
    page = whole(asking, "/studies/small/own")
    assert "Here it is." in page
    told = asking.get("/studies/small/state.json").json()
    assert f'data-mark="{told["mark"]}"' in page


def test_a_view_that_fails_is_a_sentence(small: Path, client: Ask) -> None:
    def show(results: Any, store: Any, asked: Any) -> Content:
        raise ZeroDivisionError("a secret")

    answer = client(small, [view(show)]).get("/studies/small/own")
    assert answer.status_code == 500
    assert "could not be made (ZeroDivisionError)" in answer.text
    assert "a secret" not in answer.text and "Traceback" not in answer.text


def test_what_is_damaged_is_said_and_the_rest_is_shown(own: Path, client: Ask) -> None:
    results = read_results(Store(own), "small")
    first, second = results.runs["run"].head(2)
    (own / "runs" / first / "metrics.parquet").write_bytes(b"nothing")
    (own / "runs" / second / "status.json").write_text("{")
    bad = own / "studies" / "broken"
    bad.mkdir()
    (bad / "study.json").write_text("{")
    write_json(own / "studies" / "odd" / "study.json", {"runs": [{"run": "../../etc"}]})
    write_json(own / "studies" / "none" / "study.json", {"runs": 3})
    asking = client(own)
    home = words(whole(asking, "/"))
    assert "Two step sizes" in home and "11 runs" not in home
    assert home.count("not readable") >= 2
    page = words(whole(asking, "/studies/small"))
    assert "1 damaged" in page
    assert f"{first}/metrics.parquet: not readable" in page
    assert "not readable" in words(whole(asking, f"/runs/{first}"))
    assert "not readable" in words(whole(asking, f"/runs/{second}"))
    assert asking.get("/studies/broken").status_code == 500
    assert "not readable" in asking.get("/studies/broken").text
    for name in ("odd", "none"):
        answer = asking.get(f"/studies/{name}")
        assert answer.status_code in (400, 500)
        assert "Traceback" not in answer.text and "could not be made" not in answer.text
    whole(asking, "/studies/small/runs")
    listed = asking.get("/studies/small/runs/rows.json?column=status").json()["rows"]
    assert [row[0] for row in listed].count("damaged") >= 1


def test_names_from_files_stay_text(own: Path, client: Ask) -> None:
    evil = "<img src=x onerror=alert(1)>\"'</script>{{ 7*7 }}"
    store = Store(own)
    record = store.record("small")
    for entry in record["runs"]:
        entry["arm"] = f"{evil} {entry['arm']}"
    changed = {**record, "title": evil, "question": evil, "notes": [evil], "command": evil}
    write_json(own / "studies" / "small" / "study.json", changed)
    run = record["runs"][0]["run"]
    status = store.run(run).status()
    failed = {"status": "failed", "message": evil, "traceback": evil, "warnings": [evil]}
    write_json(own / "runs" / run / "status.json", {**status, **failed})
    asking = client(own)
    pages = ["/", "/studies/small", "/studies/small/runs", "/studies/small/runs?group=arm"]
    pages += [f"/runs/{run}", "/studies/small/curves", "/studies/small/charts"]
    for address in pages:
        page = whole(asking, address)
        assert "onerror" in page, address
        assert "<img" not in page
        assert page.count("</script>") == page.count("<script")
        assert "49" not in words(page).replace(" ", "") or "{{7*7}}" in words(page).replace(" ", "")
    assert "<img" not in asking.get(f"/studies/{evil}").text


def test_the_written_report_is_kept_apart(own: Path, client: Ask) -> None:
    folder = own / "studies" / "small"
    (folder / "report").mkdir()
    (folder / "report" / "index.html").write_text("<script>alert(1)</script>")
    (folder / "report" / "notes.exe").write_text("x")
    (folder / "report" / "link.html").symlink_to("/etc/passwd")
    asking = client(own)
    assert "/studies/small/written/report/index.html" in whole(asking, "/studies/small")
    answer = asking.get("/studies/small/written/report/index.html")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox ") and "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    for name in ("notes.exe", "link.html", "study.json"):
        assert asking.get(f"/studies/small/written/report/{name}").status_code == 404
