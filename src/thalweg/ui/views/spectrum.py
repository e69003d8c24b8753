"""The spectrum of the Hessian: its density, its largest eigenvalues, and how they move."""

from dataclasses import replace
from functools import partial

import polars as pl

from thalweg.report.arm_dots import arm_dots
from thalweg.report.charts import Chart
from thalweg.report.densities import density_charts
from thalweg.report.dynamics import dynamics_charts
from thalweg.report.eigenvalues import EIGENVALUES, eigenvalue_charts
from thalweg.report.figures import Group
from thalweg.report.landscapes import landscape_labels
from thalweg.report.measurements import shown_figures
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel
from thalweg.ui.content import Asked, Content, View
from thalweg.ui.views.asking import offered, several
from thalweg.ui.views.panel_choices import (
    begun,
    choose_arms,
    choose_panel,
    known_panels,
    selected_seeds,
    shown_arms,
    with_seeds,
)

LEAD = (
    "Curvature of the loss at the weights that runs of the arms' selected points ended with. "
    "Eigenvalues that have not converged are left out."
)

DENSITY = "How the eigenvalues are distributed: a bulk near zero, and what stands out from it."

WHILE = "While training: what lies close together is averaged first."

FIGURES = ("eigenvalue 1", "gap", "ratio", "trace")

SERIES = (EIGENVALUES, "lambda_max", "edge")

NONE = (
    "No spectrum was taken. Ask for it in the study file, and run it again: what is trained is not "
    'trained anew. [[probes]] with name = "density" takes the density of all eigenvalues, name = '
    '"hessian" with top = 5 the five largest, and with when = "every:50" that every fifty steps.'
)


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return the spectra of the networks of a panel."""
    grouped = known_panels(results)
    measured = _measured(results)
    if not measured:
        return Content("", sentences=(NONE,))

    def able(arm: Arm) -> bool:
        return arm.selected is not None and any(run["run"] in measured for run in arm.selected.runs)

    panel, panel_choice = choose_panel(asked, grouped, lambda panel: any(map(able, panel.arms)))
    shown, arm_choice = choose_arms(asked, grouped, panel, able)
    seeds = {str(seed): str(seed) for seed in selected_seeds(panel)}
    every = [str(seed) for seed in results.runs["seed"].unique()]
    seed_choice = several(asked, "seed", "Seeds", seeds, elsewhere=every)
    choices = offered(panel_choice, arm_choice, seed_choice)
    narrowed = with_seeds(shown, [int(seed) for seed in seed_choice.chosen])
    found = (
        Group(DENSITY, tuple(density_charts(results, narrowed))),
        Group("", (*eigenvalue_charts(results, narrowed), *_dots(results, narrowed))),
        Group(WHILE, tuple(dynamics_charts(_series(results), narrowed))),
    )
    groups = tuple(group for group in found if group.charts)
    sentences = shown_arms(asked, arm_choice)
    if not groups:
        sentences = (*sentences, "Nothing was measured of the runs that are chosen.")
    return Content(LEAD, choices, sentences, groups)


def _measured(results: StudyResults) -> set[str]:
    """Return the runs of which something of the spectrum is known."""
    found = {run for (run, _), own in results.grids.items() if "nodes" in own}
    # A landscape along eigenvectors tells theirs on its axes.
    apart = ~pl.col("probe").is_in(landscape_labels(results))
    figures = results.probes.filter(pl.col("figure").is_in([EIGENVALUES, *FIGURES]), apart)
    series = results.series.filter(pl.col("figure").is_in(SERIES))
    return found | set(figures["run"]) | set(series["run"])


def _dots(results: StudyResults, panel: Panel) -> list[Chart]:
    shown = shown_figures(results).filter(~pl.col("probe").is_in(landscape_labels(results)))
    charts = []
    for probe, name in shown.select("probe", "name").unique(maintain_order=True).rows():
        if name in FIGURES:
            chart = arm_dots(
                panel,
                name,
                partial(_values, shown.filter(probe=probe, name=name)),
                slug("measured", panel.task, panel.model, probe, name),
                f"{probe}: {name}, {panel.title}",
            )
            charts += [chart] if chart else []
    return charts


def _values(own: pl.DataFrame, arm: Arm) -> list[float]:
    runs = [] if arm.selected is None else [run["run"] for run in arm.selected.runs]
    found: list[float] = own.filter(pl.col("run").is_in(runs), arm=arm.name)["value"].to_list()
    return found


def _series(results: StudyResults) -> StudyResults:
    own = pl.col("figure").is_in([*SERIES, "gap"])
    return replace(results, series=results.series.filter(own))


VIEW = View("spectrum", "Spectrum", lambda _: True, show)
