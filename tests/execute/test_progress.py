import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from thalweg import load_study
from thalweg.cohort.planner import Plan
from thalweg.execute import CohortPlan, Progress


@pytest.fixture
def cohorts(write_study: Callable[..., Path]) -> list[CohortPlan]:
    """Two cohorts of two runs and three epochs."""
    optimizer = {"name": "torch.optim:RMSprop", "lr": [0.1, 0.2]}
    train = {"epochs": 3, "batch_size": 64}
    specs = load_study(write_study(optimizer=optimizer, train=train)).plan.specs
    plan = Plan("autograd-stacked", 2, "")
    return [CohortPlan(tuple(specs[:2]), plan), CohortPlan(tuple(specs[2:]), plan)]


def follow(progress: Progress, cohorts: list[CohortPlan]) -> None:
    """Tell of a first cohort that ends and a second one in its second epoch."""
    progress.start(12, 5, 9)
    for worker, cohort in enumerate(cohorts):
        progress.begin(worker, cohort)
        progress.update(worker, {"epoch": 0, "loss": None})
        progress.update(worker, {"epoch": 2, "loss": 0.25})
    progress.end(0, cohorts[0])


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 160])
def test_the_bars_fit_any_terminal(cohorts: list[CohortPlan], width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    with Progress(console) as progress:
        follow(progress, cohorts)
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).split("\r")[-1]
    total, cohort = (line.rstrip() for line in last.strip().splitlines()[-2:])
    assert max(len(total), len(cohort)) <= width
    assert ("10/12" in total, "2/3" in cohort) == (width > 20, width > 20)
    assert ("7/9 runs" in total, "loss 0.2500" in cohort) == (width >= 80, width >= 80)
    if width >= 60:
        assert total.startswith("all runs")
        assert cohort.startswith("digits · mlp · torch.optim:")
    if width == 160:
        assert cohort.startswith("digits · mlp · torch.optim:RMSprop · 2 runs")


def test_a_log_gets_a_line_a_cohort(cohorts: list[CohortPlan]) -> None:
    log = io.StringIO()
    with Progress(Console(file=log, width=80)) as progress:
        follow(progress, cohorts)
        progress.wait()
        progress.finish()
    assert log.getvalue() == (
        "[7/9 runs, 0 s] digits · mlp · torch.optim:RMSprop · 2 runs\n"
        "waiting for runs that another process trains\n"
    )


def test_what_did_not_end_is_begun_again(cohorts: list[CohortPlan]) -> None:
    log = io.StringIO()
    progress = Progress(Console(file=log, width=100))
    follow(progress, cohorts)
    bars = progress._bars.tasks
    assert [bar.completed for bar in bars] == [10, 2]
    progress.again(1, cohorts[1], "its process ended with exit status 7")
    assert [bar.completed for bar in bars] == [6, 2]
    progress.begin(0, cohorts[1])
    progress.update(0, {"epoch": 1, "loss": None})
    progress.end(0, cohorts[1])
    assert progress._bars.tasks[0].completed == 12
    assert log.getvalue().splitlines()[1:] == [
        "digits · mlp · torch.optim:RMSprop · 2 runs: its process ended with exit status 7; trying "
        "again",
        "[9/9 runs, 0 s] digits · mlp · torch.optim:RMSprop · 2 runs",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_is_quiet(cohorts: list[CohortPlan], terminal: bool) -> None:
    screen = io.StringIO()
    with Progress(Console(file=screen, force_terminal=terminal), quiet=True) as progress:
        follow(progress, cohorts)
        progress.again(1, cohorts[1], "its process ended with exit status 7")
        progress.wait()
        progress.finish()
    assert screen.getvalue() == ""


def test_measurements_have_a_bar_or_a_line() -> None:
    screen = io.StringIO()
    with Progress(Console(file=screen, force_terminal=True, width=100, color_system=None)) as view:
        view.measured("hessian", 8, 20)
        view._live.refresh()
        assert re.search(r"measuring hessian .*8/20.* runs", screen.getvalue())
    log = io.StringIO()
    with Progress(Console(file=log, width=100)) as view:
        view.measured("hessian", 8, 20)
        view.measured("hessian", 20, 20)
    assert re.fullmatch(r"\[\d+ s\] hessian measured of 20 runs\n", log.getvalue())
