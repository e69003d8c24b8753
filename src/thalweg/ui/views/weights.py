"""How weights are distributed: while a network trains, by layer, and from round to round."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from torch import Tensor

from thalweg.measure.weights.probe import ALL
from thalweg.report.figures import Group
from thalweg.report.rounds import kept_text
from thalweg.report.weight_histograms import Scale, Weights, histogram_chart
from thalweg.report.weights import weight_charts
from thalweg.store import RunDirectory, Store
from thalweg.store.files import DamagedError
from thalweg.store.results import StudyResults
from thalweg.store.run_directory import COMPLETE
from thalweg.study.panels import Arm, Panel
from thalweg.ui.content import Asked, Content, View
from thalweg.ui.views.asking import in_order, offered, one, several
from thalweg.ui.views.panel_choices import (
    begun,
    choose_arm,
    choose_panel,
    choose_seed,
    known_panels,
    with_arms,
)

LEAD = (
    "Histograms of the weight matrices and kernels of one network; biases and norms are left out. "
    "Sizes are on a logarithmic axis, on which a log-normal distribution is a bell."
)

MEASURED = "What the probe “weights” has found, over all seeds."

PATH = (
    "Only the weights at the end were kept. A study that asks for the path of its trainings has "
    'its runs keep others: [[probes]] with name = "landscape" and path = 9.'
)

ROUNDS_SHOWN = 8
"""Rounds in one chart: the first, the last, and some between."""

END = "end"
"""The moment at which a run ended."""

MOMENT = re.compile(rf"(?:weights|epoch|step):\d+|{END}")
"""What a moment is called; not all runs have kept the same."""

SIZE, VALUE = "size", "value"


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return the histograms of the weights of one network."""
    grouped = known_panels(results)
    panel, panel_choice = choose_panel(asked, grouped, lambda p: any(map(_seeds, p.arms)))
    arm, arm_choice = choose_arm(asked, grouped, panel, lambda arm: bool(_seeds(arm)))
    if not _seeds(arm):
        return Content(LEAD, offered(panel_choice, arm_choice), ("No run has ended yet.",))
    seed, seed_choice = choose_seed(asked, results, _seeds(arm))
    runs = _rounds(results, arm, seed)
    numbers = {str(number): str(number) for number in results.rounds["round"].unique()}
    names = {str(number): text for number, (text, _) in runs.items()}
    round_choice = one(asked, "round", "Round", names, str(max(runs)), elsewhere=numbers)
    text, run_id = runs[int(round_choice.chosen[0])]
    title = f"{arm.name}, seed {seed}" + (f", {text}" if len(runs) > 1 else "")
    try:
        moments = _moments(store.run(run_id))
        by_round = {
            name: weights
            for name, own in _thinned(runs)
            if (weights := _matrices(store.run(own).weights()))
        }
    except DamagedError as error:
        choices = offered(panel_choice, arm_choice, seed_choice, round_choice)
        return Content(LEAD, choices, (f"{error}.",))
    layers = list(next(iter(by_round.values()), {}))
    named = {ALL: "all"} | {name: name for name in layers}
    others = () if named.keys() >= set(asked.get("layer", ())) else _every_layer(grouped, store)
    layer_choice = one(asked, "layer", "Layer", named, elsewhere=others)
    scale_choice = one(asked, "scale", "Scale", {SIZE: "|w|, logarithmic", VALUE: "w"})
    kept = {name: _said(name) for name in moments} or {END: END}
    alike = [name for name in asked.get("moment", ()) if MOMENT.fullmatch(name)]
    moment_choice = several(asked, "moment", "Moments", kept, elsewhere=alike)
    layer, scale = layer_choice.chosen[0], scale_choice.chosen[0]
    choices = offered(
        *(panel_choice, arm_choice, seed_choice, round_choice),
        *(layer_choice, scale_choice, moment_choice),
    )
    drawn = {_said(name): moments[name] for name in moment_choice.chosen if name in moments}
    one_layer = [] if layer == ALL else [layer]
    how: Scale = "size" if scale == SIZE else "value"
    charts = [histogram_chart(drawn, one_layer, how, title, "histogram")]
    if layer == ALL and len(layers) > 1:
        charts.append(histogram_chart(drawn, layers, how, title, "histogram"))
    if len(by_round) > 1:
        whole = f"{arm.name}, seed {seed}, at the end of each round"
        charts.append(histogram_chart(by_round, one_layer, how, whole, "histogram-rounds"))
    found = tuple(chart for chart in charts if chart is not None)
    sentences = [] if found else ["This run has kept no weights."]
    if found and len(moments) == 1:
        sentences.append(PATH)
    measured = tuple(weight_charts(results, with_arms(panel, [arm.name]), layer))
    groups = (Group("", found), Group(MEASURED, measured))
    return Content(
        LEAD, choices, tuple(sentences), tuple(group for group in groups if group.charts)
    )


def _seeds(arm: Arm) -> list[int]:
    return [] if arm.selected is None else list(arm.selected.seeds)


def _rounds(results: StudyResults, arm: Arm, seed: int) -> dict[int, tuple[str, str]]:
    """Return the runs of an arm at its selected point by round, each with its name; of an arm that
    was not pruned by rounds the one there is, as round 0.
    """
    assert arm.selected is not None
    own = results.rounds.filter(
        pl.col("status").is_in(COMPLETE), arm=arm.name, point=arm.selected.label, seed=seed
    )
    found = {
        row["round"]: (_round_name(row["round"], row["kept"]), row["run"])
        for row in own.sort("round").iter_rows(named=True)
    }
    last = next(run["run"] for run in arm.selected.runs if run["seed"] == seed)
    return found or {0: ("dense", last)}


def _round_name(number: int, kept: float | None) -> str:
    return f"round {number}, {kept_text(kept)} kept" if number else "dense"


def _thinned(runs: Mapping[int, tuple[str, str]]) -> list[tuple[str, str]]:
    every = list(runs.values())
    if len(every) <= ROUNDS_SHOWN:
        return every
    places = np.linspace(0, len(every) - 1, ROUNDS_SHOWN).round().astype(int)
    return [every[place] for place in places]


def _moments(run: RunDirectory) -> dict[str, Weights]:
    """Return the weights at every moment of a training of which they were kept, in order."""
    status = run.status()
    a_epoch = status["steps"] / status["epochs"] if status.get("epochs") else 0

    def step(name: str) -> float:
        kind, _, count = name.partition(":")
        return int(count) * (a_epoch if kind == "epoch" else 1)

    names = [name for name in run.snapshots() if name != END]
    found = {
        name: _matrices(run.load_snapshot(name)["weights"]) for name in sorted(names, key=step)
    }
    return {name: own for name, own in {**found, END: _matrices(run.weights())}.items() if own}


def _every_layer(grouped: Sequence[Panel], store: Store) -> set[str]:
    """Return the layers of one network of every arm, as far as any is kept."""
    runs = [
        store.run(arm.selected.runs[0]["run"]) for p in grouped for arm in p.arms if arm.selected
    ]
    return {name for run in runs for name in _matrices(run.weights())}


def _said(name: str) -> str:
    """Return the name of a moment for people: ``weights:40`` is ``step 40``."""
    kind, _, count = name.partition(":")
    return name if not count else f"{'step' if kind == 'weights' else kind} {count}"


def _matrices(weights: Mapping[str, Tensor] | None) -> Weights:
    """Return the weights of two dimensions or more in double precision."""
    return {
        name: weight.double().numpy()
        for name, weight in sorted((weights or {}).items(), key=lambda item: in_order(item[0]))
        if weight.ndim > 1 and weight.is_floating_point()
    }


VIEW = View("weights", "Weights", lambda _: True, show)
