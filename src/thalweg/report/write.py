"""A study's report on disk."""

from pathlib import Path

from thalweg.report.figures import sections
from thalweg.report.page import render
from thalweg.report.panels import panels
from thalweg.report.static import png, static_figure, svg
from thalweg.report.summary import summary
from thalweg.report.tables import tables
from thalweg.store.files import write_whole
from thalweg.store.results import StudyResults


def write_report(results: StudyResults, folder: Path) -> Path:
    """Write ``report/index.html``, ``figures/*.{png,svg}`` and ``tables/*.csv`` below a folder.

    Every file appears whole or not at all; the page comes last, when what it links to is there.

    Args:
        results: The study's results.
        folder: The study's folder, ``OUT/studies/NAME``.

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
    for section in charts:
        for chart in section.charts:
            figure = static_figure(chart)
            write_whole(folder / "figures" / f"{chart.name}.png", png(figure))
            write_whole(folder / "figures" / f"{chart.name}.svg", svg(figure))
    page = folder / "report" / "index.html"
    write_whole(page, render(results, summary(results, grouped), charts, found))
    return page
