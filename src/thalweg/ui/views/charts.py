"""Everything that the report has, section by section."""

from collections.abc import Callable

from thalweg.report.figures import SECTIONS, sections
from thalweg.report.tables import tables
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.ui.content import Asked, Content, View
from thalweg.ui.views.asking import one
from thalweg.ui.views.panel_choices import begun, known_panels

TABLES = "tables"
"""The choice of the tables that stand beside no chart."""

NEEDS: dict[str, Callable[[StudyResults], bool]] = {
    "Pruning, round by round": lambda results: not results.rounds.is_empty(),
    "Weights kept": lambda results: _known(results, "kept"),
    "Size of the network": lambda results: results.runs["parameters"].drop_nulls().n_unique() > 1,
    "Measurements": lambda results: not results.probes.is_empty(),
    "Dense networks and their tickets": lambda results: not results.round_probes.is_empty(),
    "Measurements against the grid": lambda results: (
        not results.probes.is_empty() and _has_grid(results)
    ),
    "While training": lambda results: not results.series.is_empty(),
    "Learning curves": lambda results: not results.metrics.is_empty(),
    "Cost to reach": lambda results: bool(results.targets),
    "Sensitivity to hyperparameters": lambda results: _has_grid(results),
    "Search": lambda results: (
        (results.provenance.get("search") or {}).get("method", "grid") != "grid"
    ),
    "Accuracy by class": lambda results: not results.confusion.is_empty(),
    "Confusion matrices": lambda results: not results.confusion.is_empty(),
}
"""What a section cannot do without, as far as that is cheap to tell."""


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return a section of the report."""
    named = {slug(title).lower(): title for title in SECTIONS}
    options = {
        name: title for name, title in named.items() if NEEDS.get(title, _always)(results)
    } | {TABLES: "Tables of arms and grid points"}
    choice = one(asked, "section", "Section", options, elsewhere=named)
    grouped = known_panels(results)
    if choice.chosen[0] == TABLES:
        return Content("", (choice,), tables=tuple(tables(results, grouped)))
    title = named[choice.chosen[0]]
    made = sections(results, grouped, [title])
    if not made:
        why = f"This study has nothing to show under “{title}” yet."
        return Content("", (choice,), (why,))
    (section,) = made
    return Content(section.lead, (choice,), (), section.groups, section.tables)


def _always(_: StudyResults) -> bool:
    return True


def _known(results: StudyResults, column: str) -> bool:
    return results.runs[column].null_count() < len(results.runs)


def _has_grid(results: StudyResults) -> bool:
    return results.runs["axes"].n_unique() > 1


VIEW = View("charts", "All charts", _always, show)
