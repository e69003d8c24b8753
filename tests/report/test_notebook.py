"""What studies, results and charts show of themselves in Jupyter."""

import json
import re

import pytest

from thalweg.errors import InputError
from thalweg.report.contents import find_chart, find_table
from thalweg.report.notebook import PLOTLY, Figure, results_html, study_html
from thalweg.study import load_study


def texts(page):
    return [re.sub("<[^>]*>", "", cell) for cell in re.findall("<t[hd].*?</t[hd]>", page)]


def test_results_show_every_arm_with_its_figures_and_what_to_distrust(classification):
    page = results_html(classification, failed=2)
    header = ["task", "arm", "point", "seeds", "validation accuracy", "test accuracy", "test loss"]
    found = texts(page)
    assert found[:8] == [*header, "diverged"]  # both tasks have one model, so it has no column
    rows = [found[i : i + 8] for i in range(8, len(found), 8)]
    assert [row[:2] for row in rows] == [
        [task, arm]
        for task in ("digits", "fashion-mnist")
        for arm in ("adam", "sgd", "sgd-nesterov")
    ]
    assert rows[0][2:4] == ["lr=0.003", "3"]
    assert re.fullmatch(r"9\d\.\d\d ± \d\.\d\d %", rows[0][5].replace("\N{NO-BREAK SPACE}", " "))
    assert rows[1][7] == "2 of 15"
    assert "<li>2 runs failed just now.</li>" in page
    assert "digits, mlp, sgd: 2 of 15 runs diverged (at lr=0.3)." in page


def test_results_without_a_run_and_with_foreign_strings(builder, hostile):
    assert "No runs yet." in results_html(builder().results(provenance={}))
    page = results_html(hostile)
    assert "<script" not in page and "<img" not in page


def test_a_study_shows_its_arms():
    page = study_html(load_study("demo"))
    assert "<b>Three optimizers on handwritten digits</b>" in page
    assert "<i>Which optimizer, at which learning rate" in page
    assert texts(page)[:12] == [
        *("arm", "task", "model", "optimizer", "points", "runs"),
        *("sgd", "digits", "mlp", "sgd", "5", "15"),
    ]


@pytest.mark.parametrize("name", ["final-digits", "sensitivity-digits", "confusion-digits-mlp-sgd"])
def test_a_figure_is_plotly_with_a_picture_beside_it(name, classification):
    figure = Figure(find_chart(classification, name))
    data, sizes = figure._repr_mimebundle_(include=None, exclude=None)
    assert data["image/png"].startswith(b"\x89PNG") and 300 < sizes["image/png"]["width"] < 1000
    assert figure.chart.description in data["text/plain"]
    drawn = json.loads(json.dumps(data[PLOTLY], allow_nan=False))
    assert len(drawn["data"]) == len(figure.plotly().data) > 0
    assert not re.search("https?://", json.dumps(drawn))  # nothing is fetched
    assert drawn["layout"]["title"]["text"] == figure.chart.title


@pytest.mark.parametrize("name", ["surface-digits-mlp-bowl", "landscape-digits-mlp-bowl-sgd"])
def test_figures_without_upright_axes_show_too(name, planes):
    data, _ = Figure(find_chart(planes, name))._repr_mimebundle_()
    assert data[PLOTLY]["data"]


def test_charts_and_tables_are_found_by_name_or_by_a_beginning(classification):
    chart = find_chart(classification, "final-digits-mlp-test_accuracy")
    assert find_chart(classification, "final-d") == chart
    assert find_table(classification, "fin").name == "final"
    assert find_table(classification, "reach-comparisons").rows
    with pytest.raises(InputError, match=r"figure 'final': several begin so .*final-fashion-mnist"):
        find_chart(classification, "final")
    with pytest.raises(InputError, match="unknown table 'finals'; did you mean 'final'"):
        find_table(classification, "finals")
