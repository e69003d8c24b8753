"""A study's report as Markdown with figures and tables, to be kept in a repository."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from thalweg.audit import Finding
from thalweg.errors import InputError
from thalweg.report.answers import answers
from thalweg.report.chosen_figures import chosen_figures
from thalweg.report.escapes import markdown_text
from thalweg.report.figures import sections
from thalweg.report.formats import clipped
from thalweg.report.further_answers import further_answers
from thalweg.report.page import provenance_rows
from thalweg.report.run_tables import run_tables
from thalweg.report.spent import spent
from thalweg.report.summary import summary
from thalweg.report.tables import tables
from thalweg.report.without_paths import without_paths
from thalweg.store.files import make_writable, write_whole
from thalweg.store.results import StudyResults
from thalweg.study.panels import panels

FILE = "README.md"
"""The report's file: forges show one of that name below a folder."""

MARKER = "<!-- Made by thalweg report. Changes are lost when it is made again. -->"
"""First line of the file."""

FIGURES = 500_000
"""Bytes of all figures."""

TABLES = 350_000
"""Bytes of all tables as CSV; the largest are left out where they are more."""

LONGEST_TABLE = 20
"""Rows of a table beyond which it is linked instead of shown."""

_OWN_LINK = re.compile(r"\]\(((?:figures|tables)/[\w.-]+)\)")


def write_markdown(
    results: StudyResults, folder: Path, audit: Sequence[Finding] | None = None
) -> Path:
    """Write a study's report into a folder that is to be kept in a repository.

    The folder gets ``README.md``, ``study.toml``, ``figures`` (SVG, or PNG where that is much
    smaller) and ``tables`` (CSV in full precision), less than 1 MB together: what there is no room
    for is only on the page. Absolute paths become file names. An earlier report there is replaced,
    and what only that links to is removed.

    Args:
        results: The study's results.
        folder: The folder; made if it does not exist.
        audit: What an audit has found; None if there was none.

    Returns:
        The path of ``README.md``.

    Raises:
        InputError: The folder cannot be written, or holds a ``README.md`` that is no report.
        ThalwegError: A file cannot be written.
    """
    earlier = _earlier(folder)
    grouped = panels(results)
    charts = sections(results, grouped)
    found = tables(results, grouped)
    frames = {table.name: table.frame for s in charts for table in s.tables}
    frames |= {table.name: table.frame for table in found}
    every_run = run_tables(results)
    csv = _csv_files({**frames, **every_run})
    pictures = chosen_figures(charts, FIGURES)
    environment = Environment(
        loader=PackageLoader("thalweg.report", "templates"),
        autoescape=False,  # of HTML: the filter md escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "md": lambda text: markdown_text(without_paths(text)),
        "without_paths": without_paths,
        "clipped": clipped,
    }
    text = environment.get_template("report.md.j2").render(
        marker=MARKER,
        study=results,
        summary=summary(results, grouped),
        answers=[*answers(results, grouped), *further_answers(results, grouped)],
        sections=charts,
        pictures=pictures,
        tables=found,
        linked=csv,
        longest=LONGEST_TABLE,
        every_run=[(name, len(frame)) for name, frame in every_run.items() if name in csv],
        spent=spent(results),
        audit=audit,
        provenance=provenance_rows(results.provenance),
        version=version("thalweg"),
    )
    files: dict[str, bytes | str] = {
        **{f"figures/{picture.file}": picture.content for picture in pictures.values()},
        **{f"tables/{name}.csv": content for name, content in csv.items()},
        "study.toml": without_paths(str(results.provenance.get("study_file") or "")),
        FILE: re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n",
    }
    for name, content in files.items():
        write_whole(folder / name, content)
    _remove(folder, earlier - set(files))
    return folder / FILE


def _earlier(folder: Path) -> set[str]:
    """Make the folder, and return which files an earlier report there links to.

    Raises:
        InputError: It cannot be written, or holds something else's ``README.md``.
    """
    make_writable(folder)
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--to {folder}: has a {FILE} that cannot be read") from error
    if not text.startswith(MARKER):
        raise InputError(
            f"--to {folder}: has a {FILE} that is no report of thalweg; choose another folder"
        )
    return set(_OWN_LINK.findall(text))


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()


def _csv_files(frames: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """Return the tables as CSV by name, the smallest first, as many as there is room for."""
    written = {name: without_paths(frame.write_csv()) for name, frame in frames.items()}
    by_size = sorted(written.items(), key=lambda item: len(item[1]))
    sums = accumulate(len(text) for _, text in by_size)
    return dict(item for item, total in zip(by_size, sums, strict=True) if total <= TABLES)
