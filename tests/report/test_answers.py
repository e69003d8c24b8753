"""The sentences that answer a study's question, and the audit, on the page."""

import math
from pathlib import Path

import pytest

from thalweg.audit import Finding
from thalweg.report.answers import answers
from thalweg.report.panels import panels
from thalweg.report.write import write_report

QUALITIES = {"sgd": 0.90, "adam": 0.91, "sam": 0.9105}
NOISE = (0.000, 0.001, 0.002, -0.001, 0.0005)


@pytest.fixture
def study(builder):
    """Give a function that makes a study of these arms over five seeds, paired but for noise."""

    def make(*arms: str):
        made = builder()
        for index, arm in enumerate(arms):
            for seed in range(5):
                quality = QUALITIES[arm] + 0.002 * seed + NOISE[(seed + 2 * index) % 5]
                made.run(arm, seed, {}, quality=quality)
        return made.results()

    return make


def test_the_nearest_rival_and_what_is_open(study):
    results = study("sgd", "adam", "sam")
    first, second = answers(results, panels(results))
    assert "adam is 0.05 points below sam (paired, 5 seeds" in first
    assert ": not resolved" in first
    assert second.endswith(
        "of 3 pairs of arms 2 are resolved in test accuracy; sam is not told from adam."
    )


def test_two_arms_have_one_sentence(study):
    results = study("sgd", "adam")
    (only,) = answers(results, panels(results))
    assert "sgd is 1.00 points below adam (paired, 5 seeds" in only
    assert only.endswith("resolved.")


def test_one_arm_has_none(study):
    results = study("sgd")
    assert answers(results, panels(results)) == ()


def test_a_diverged_rival_is_not_the_nearest(builder):
    made = builder()
    for seed in range(5):
        made.run("sgd", seed, {}, quality=0.9 + 0.001 * seed)
        made.run("adam", seed, {}, quality=0.8 + 0.001 * ((seed * 2) % 5))
        made.run("wild", seed, {}, quality=math.nan, status="diverged")
    results = made.results()
    first, _ = answers(results, panels(results))
    assert "wild" not in first


def test_what_an_audit_found_is_on_the_page(study, tmp_path: Path):
    finding = Finding(
        *("grid-edge", "warning", "arm <b>sgd</b>", "the best value may lie beyond the grid"),
        *("best 0.3 of 0.1, 0.3", "the arm is judged below its best", "extend the grid"),
    )
    page = write_report(study("sgd", "adam"), tmp_path, [finding]).read_text("utf-8")
    assert 'id="audit"' in page and "Remedy: extend the grid." in page
    assert "arm &lt;b&gt;sgd&lt;/b&gt;" in page and "arm <b>sgd</b>" not in page
    clean = write_report(study("sgd", "adam"), tmp_path, []).read_text("utf-8")
    assert "has found anything" in clean
    without = write_report(study("sgd", "adam"), tmp_path).read_text("utf-8")
    assert 'id="audit"' not in without
