"""A table in LaTeX that fits a page: long ones break over pages, wide ones stand in parts."""

from collections.abc import Sequence

from thalweg.report.escapes import latex_text

WIDTH = 84
"""Characters across the text of an article in footnote size; a gap between columns takes two."""

GAP = 2

MOST_ROWS = 35
"""Rows up to which a table is a float on one page."""

Rows = Sequence[Sequence[str]]


def latex_table(
    name: str, caption: str, header: Sequence[str], rows: Rows, numeric: Sequence[bool]
) -> str:
    """Return a table in LaTeX, for the packages ``booktabs`` and ``longtable``.

    Columns of words that say the same in every row are told in the caption instead. Columns that do
    not fit side by side follow in further tables, each with the columns of words up to the first of
    numbers, which name the rows.

    Args:
        name: Of the label, ``tab:NAME``; further parts have a number behind it.
        caption: Below which it stands.
        header: Column headings.
        rows: Texts, one a column.
        numeric: Whether each column holds numbers, which are aligned to the right.
    """
    same = [i for i, right in enumerate(numeric) if not right and _same(rows, i)]
    kept = [i for i in range(len(header)) if i not in same] or [*range(len(header))]
    told = "; ".join(f"{header[i]}: {rows[0][i]}" for i in same if i not in kept)
    parts = _parts(kept, header, rows, numeric)
    lines = [r"% \usepackage{booktabs,longtable}"]
    for number, columns in enumerate(parts, 1):
        whole = f"{caption} ({told}.)" if told and number == 1 else caption
        text = latex_text(whole) if number == 1 else f"Table~\\ref{{tab:{name}}}, continued."
        label = name if number == 1 else f"{name}-{number}"
        cells = [" & ".join(latex_text(row[i]) for i in columns) for row in (header, *rows)]
        layout = "".join("r" if numeric[i] else "l" for i in columns)
        lines += (_long if len(rows) > MOST_ROWS else _float)(label, text, layout, cells)
    return "\n".join(lines) + "\n"


def _same(rows: Rows, column: int) -> bool:
    return len(rows) > 1 and len({row[column] for row in rows}) == 1


def _parts(
    kept: Sequence[int], header: Sequence[str], rows: Rows, numeric: Sequence[bool]
) -> list[list[int]]:
    """The columns of each part."""
    wide = {i: GAP + max(len(row[i]) for row in (header, *rows)) for i in kept}
    first = next((place for place, i in enumerate(kept) if numeric[i]), len(kept))
    names, others = list(kept[:first]), kept[first:]
    parts = [list(names)]
    for i in others:
        if sum(wide[j] for j in parts[-1]) + wide[i] > WIDTH and len(parts[-1]) > len(names):
            parts.append(list(names))
        parts[-1].append(i)
    return parts


def _float(label: str, caption: str, layout: str, cells: Sequence[str]) -> list[str]:
    return [
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{caption}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{{layout}}}",
        r"    \toprule",
        rf"    {cells[0]} \\",
        r"    \midrule",
        *(rf"    {row} \\" for row in cells[1:]),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def _long(label: str, caption: str, layout: str, cells: Sequence[str]) -> list[str]:
    """A table that breaks between rows, its header repeated."""
    return [
        r"{\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{longtable}}{{{layout}}}",
        rf"  \caption{{{caption}}} \label{{tab:{label}}} \\",
        r"  \toprule",
        rf"  {cells[0]} \\",
        r"  \midrule",
        r"  \endfirsthead",
        r"  \toprule",
        rf"  {cells[0]} \\",
        r"  \midrule",
        r"  \endhead",
        r"  \bottomrule",
        r"  \endfoot",
        *(rf"  {row} \\" for row in cells[1:]),
        r"\end{longtable}}",
    ]
