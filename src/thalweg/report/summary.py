"""The findings of a study in plain sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.report.best_kept import best_kept
from thalweg.report.formats import metric_interval, metric_name, plural
from thalweg.report.rounds import prunings, round_verdicts
from thalweg.report.sensitivity import sensitivities
from thalweg.report.targets import target_reaches
from thalweg.store.results import StudyResults
from thalweg.study.median_target import target_figure
from thalweg.study.panels import Arm, Panel, Point, panels
from thalweg.study.statistics import mean_interval


@dataclass(frozen=True)
class Finding:
    """The best arm of a panel.

    Attributes:
        panel: Title of the panel.
        arm: Name of the best arm; "" where no arm has a result.
        point: Its selected point; "" without a grid.
        figure: Its test figure with interval.
        sentence: How it was chosen.
    """

    panel: str
    arm: str
    point: str
    figure: str
    sentence: str


@dataclass(frozen=True)
class Summary:
    """Findings, one a panel, and what a reader must know to trust them."""

    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]


def summary(results: StudyResults, grouped: Sequence[Panel]) -> Summary:
    """Return the study's findings and warnings."""
    warnings = [*_selection(grouped), *_absent(grouped), *_edges(grouped), *_single(grouped)]
    warnings += _unrecorded(results, grouped)
    warnings += [str(text) for text in results.provenance.get("warnings") or ()]
    return Summary(tuple(_finding(panel) for panel in grouped), tuple(warnings))


def verdicts(results: StudyResults) -> list[str]:
    """Return what the study says: optimum and stable range of every curve, the cheapest arm for
    every target, the best fraction kept and the worth of the last round of every pruning, and what
    to distrust.
    """
    grouped = panels(results)
    found = [
        f"{panel.title}, {member.verdict(panel.metric)}"
        for panel in grouped
        for curves in sensitivities(panel).values()
        for member in curves
        if len(member.curve.points) > 1
    ]
    found += [
        f"{panel.title}, {arm.name}: best of {len(arm.points)} points {arm.selected.label}, "
        f"{metric_name(panel.metric)} {_interval_text(arm.selected, panel.metric)}."
        for panel in grouped
        for arm in panel.arms
        if arm.selected and len(arm.points) > 1 and not _has_curve(panel, arm)
    ]
    found += [f"{m.panel.title}: {m.verdict()}" for m in target_reaches(results, grouped)]
    pruned = prunings(results, grouped)
    found += [f"{best.levels.panel.title}: {best.verdict()}" for best in best_kept(pruned)]
    found += round_verdicts(pruned)
    return [*found, *_edges(grouped), *_selection(grouped)]


def _has_curve(panel: Panel, arm: Arm) -> bool:
    return any(m.arm is arm for curves in sensitivities(panel).values() for m in curves)


def _finding(panel: Panel) -> Finding:
    arm = panel.best
    if arm is None or arm.selected is None:
        return Finding(panel.title, "", "", "", "No run came to a finite result.")
    point = arm.selected
    metric = "test_accuracy" if "test_accuracy" in panel.metrics else "test_loss"
    chosen = _interval_text(point, panel.metric)
    rest = (
        f"the best of {plural(len(panel.arms), 'arm')} by {metric_name(panel.metric)} ({chosen})"
        if len(panel.arms) > 1
        else f"{metric_name(panel.metric)} {chosen}"
    )
    return Finding(
        panel.title,
        arm.name,
        point.label,
        f"{metric_name(metric)} {_interval_text(point, metric)}",
        f"over {plural(len(point.seeds), 'seed')}; {rest}",
    )


def _interval_text(point: Point, metric: str) -> str:
    values = point.values(metric)
    if not values:
        return "unknown"
    interval = mean_interval(values)
    if interval.diverged:
        return f"undefined, {interval.diverged} of {interval.count} diverged"
    return metric_interval(metric, interval.mean, interval.half_width)


def _selection(panels: Sequence[Panel]) -> list[str]:
    on_test = [panel for panel in panels if panel.metric.startswith("test_")]
    return [
        f"{panel.title}: grid points were selected by {metric_name(panel.metric)}, as there is no "
        "validation split, so the test figures of selected points are optimistic."
        for panel in on_test
        if any(len(arm.points) > 1 for arm in panel.arms)
    ]


def _absent(panels: Sequence[Panel]) -> list[str]:
    found = []
    for panel in panels:
        for arm in panel.arms:
            runs = sum(len(point.runs) for point in arm.points)
            counts = {
                "diverged": arm.count("diverged"),
                "failed": arm.count("failed"),
                "are missing": arm.count("missing"),
            }
            parts = [f"{number} {word}" for word, number in counts.items() if number]
            if parts:
                # "2 of 15 runs diverged, 1 failed"
                parts[0] = parts[0].replace(" ", f" of {plural(runs, 'run')} ", 1)
                found.append(
                    f"{panel.title}, {arm.name}: {', '.join(parts)}{_where(arm)}.{_message(arm)}"
                )
    return found


def _where(arm: Arm) -> str:
    touched = [
        p.label for p in arm.points if p.label and len(p.seeds) - p.count("diverged") < len(p.runs)
    ]
    if not touched or len(touched) == len(arm.points):
        return ""
    return f" (at {'; '.join(touched)})"


def _message(arm: Arm) -> str:
    """The first reason that a failed run gave."""
    messages = (
        (run["message"] or "").strip()
        for point in arm.points
        for run in point.runs
        if run["status"] == "failed"
    )
    first = next((message for message in messages if message), "")
    return f" First message: {first.splitlines()[0][:300]}" if first else ""


def _edges(panels: Sequence[Panel]) -> list[str]:
    return [
        f"{panel.title}, {text}"
        for panel in panels
        for curves in sensitivities(panel).values()
        for member in curves
        if (text := member.warning(panel.metric, panel.searched))
    ]


def _single(panels: Sequence[Panel]) -> list[str]:
    selected = [arm.selected for panel in panels for arm in panel.arms if arm.selected]
    if selected and all(len(point.seeds) == 1 for point in selected):
        return ["Every result rests on a single seed, so none has an interval."]
    return []


def _unrecorded(results: StudyResults, panels: Sequence[Panel]) -> list[str]:
    known = {metric for panel in panels for metric in panel.metrics}
    return [
        f"No run has a {metric_name(metric)}, so what its targets cost is unknown."
        for metric in results.targets
        if known and metric not in known
    ] + [
        f"{stated} sets no target in {metric_name(metric)}, as the arm's median run has none."
        for metric, targets in results.targets.items()
        for stated in targets
        if metric in known
        and all(target_figure(stated, metric, panel, panels) is None for panel in panels)
    ]
