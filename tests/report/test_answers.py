"""The sentences that answer a study's question, and the audit, on the page."""

import math
import re
from pathlib import Path
from typing import cast

import pytest
from scipy.stats import ttest_rel

from thalweg.audit import CHECKS, Finding
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.report.answers import answers
from thalweg.report.write import write_report
from thalweg.store import Store
from thalweg.study.panels import panels

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


def test_each_group_of_arms_has_its_own_best(study):
    results = study("sgd", "adam", "sam")
    results.provenance["groups"] = {"of old": ["sgd", "ad*"], "of one": ["sam"], "none": []}
    *_, told = answers(results, panels(results))
    assert told.startswith("digits, mlp, of old: adam, test accuracy 91.4")
    assert told.endswith(
        "is the best of 2 arms by validation accuracy and is better than every other."
    )
    assert len(answers(results, panels(results))) == 3


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


CLOSE = {
    "best": (0.9016, 0.9025, 0.9039, 0.9038, 0.909, 0.9125),
    "second": (0.902, 0.902, 0.9029, 0.9064, 0.9055, 0.909),
    "third": (0.8991, 0.901, 0.9029, 0.903, 0.9046, 0.9088),
    "fourth": (0.9, 0.9007, 0.9018, 0.9054, 0.9083, 0.9091),
}


def test_the_third_is_resolved_among_pairs_of_the_best_alone():
    p = [float(ttest_rel(CLOSE["best"], CLOSE[arm]).pvalue) for arm in list(CLOSE)[1:]]
    assert 0.05 / 6 < p[1] < 0.05 / 3 and p[1] == min(p)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, ["second", "third", "fourth"]),
        ({"far": (0.5, 0.501, 0.502, 0.5035, 0.504, 0.505)}, ["second", "third", "fourth"]),
        ({"wild": (math.nan,) * 3}, ["second", "third", "fourth", "wild"]),
        ({"alone": (0.5,)}, ["second", "third", "fourth", "alone"]),
    ],
)
def test_the_audit_names_the_arms_that_the_page_names(builder, more, named):
    made = builder()
    for arm, figures in {**CLOSE, **more}.items():
        for seed, value in enumerate(figures):
            status = "diverged" if math.isnan(value) else "done"
            made.run(arm, seed, {}, quality=value, status=status)
    results = made.results()
    _, told = answers(results, panels(results))
    assert told.endswith(f"; best is not told from {', '.join(named)}.")
    check = CHECKS["ranking-inside-error"].of_study
    assert check is not None
    (seen,) = check(RecordedStudy(cast(Store, None), results))
    assert seen.fault == f"best is not told from {len(named)} of {3 + len(more)} other arms"
    assert re.findall(r"[:;] (\w+) \(", seen.evidence) == named


def test_the_audit_of_a_sequential_study_tells_no_p(study):
    results = study("adam", "sam")
    results.provenance["sequential"] = {"looks": [5], "max_seeds": 20, "metric": "", "stop": ""}
    check = CHECKS["ranking-inside-error"].of_study
    assert check is not None
    (seen,) = check(RecordedStudy(cast(Store, None), results))
    listed = re.fullmatch(r"(.*): adam \((\S+), (\S+) to (\S+)\)", seen.evidence)
    assert listed is not None and " p " not in listed[1]
    mean, low, high = (float(listed[i]) for i in (2, 3, 4))
    assert mean == pytest.approx(0.0005, abs=1e-6) and low < 0 < mean < high


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
