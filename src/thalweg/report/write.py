"""A study's report on disk."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from thalweg.audit import Finding
from thalweg.report.answers import answers
from thalweg.report.charts import Chart
from thalweg.report.figures import sections
from thalweg.report.further_answers import further_answers
from thalweg.report.page import render
from thalweg.report.recovery import RECOVERY
from thalweg.report.rounds import prunings
from thalweg.report.rounds_section import round_charts
from thalweg.report.run_tables import run_tables
from thalweg.report.static import pdf, png, static_figure, svg
from thalweg.report.summary import summary
from thalweg.report.tables import tables
from thalweg.store.files import write_whole
from thalweg.store.results import StudyResults
from thalweg.study.panels import panels


def write_report(
    results: StudyResults, folder: Path, audit: Sequence[Finding] | None = None
) -> Path:
    """Write a study's page, figures and tables below its folder.

    The page is ``report/index.html``. Every chart is in ``figures`` as PNG, SVG and PDF; every
    table in ``tables`` as CSV in full precision, and as on the page in Markdown and LaTeX.

    Every file appears whole or not at all; the page comes last, when what it links to is there.

    Args:
        results: The study's results.
        folder: The study's folder, ``OUT/studies/NAME``.
        audit: What an audit has found; None if there was none.

    Returns:
        The path of the page.

    Raises:
        ThalwegError: The folder cannot be written.
    """
    grouped = panels(results)
    charts = sections(results, grouped)
    found = tables(results, grouped)
    for table in [*found, *(table for section in charts for table in section.tables)]:
        write_whole(folder / "tables" / f"{table.name}.csv", table.frame.write_csv())
        write_whole(folder / "tables" / f"{table.name}.md", table.markdown())
        write_whole(folder / "tables" / f"{table.name}.tex", table.latex())
    for name, frame in run_tables(results).items():
        write_whole(folder / "tables" / f"{name}.csv", frame.write_csv())
    for section in charts:
        write_figures(section.charts, folder / "figures")
    page = folder / "report" / "index.html"
    told = (*answers(results, grouped), *further_answers(results, grouped))
    write_whole(page, render(results, summary(results, grouped), told, charts, found, audit))
    return page


def write_figures(charts: Iterable[Chart], folder: Path) -> None:
    """Write charts as PNG, SVG and PDF into a folder.

    Raises:
        ThalwegError: The folder cannot be written.
    """
    for chart in charts:
        figure = static_figure(chart)
        write_whole(folder / f"{chart.name}.png", png(figure))
        write_whole(folder / f"{chart.name}.svg", svg(figure))
        write_whole(folder / f"{chart.name}.pdf", pdf(figure))


def write_recovery(results: StudyResults, folder: Path) -> list[Path]:
    """Write the charts of figures against weights kept, ``imp_recovery*.png``, and return them.

    Raises:
        ThalwegError: The folder cannot be written.
    """
    grouped = panels(results)
    found = prunings(results, grouped)
    files = []
    for panel in grouped:
        for chart in round_charts(panel, found, grouped):
            if chart.name.startswith(RECOVERY):
                files.append(folder / f"{chart.name}.png")
                write_whole(files[-1], png(static_figure(chart)))
    return files
