"""Tables as Markdown and LaTeX, and in a notebook."""

import re
from html.parser import HTMLParser

import polars as pl
import pytest
from markdown_it import MarkdownIt

from thalweg.report.escapes import latex_text
from thalweg.report.table import Table

HOSTILE = ("a_b*c*", "1 | 2", "<b>&amp;", "[x](y)", "`code`", "\\", "$x$ 5 % #1 {~^}", "τ = 1², n₀")


def table(rows):
    return Table(
        "some-table",
        "A title_with *signs*",
        "What it | means.",
        pl.DataFrame(),
        ("arm", "test accuracy"),
        tuple(rows),
        (False, True),
    )


def test_markdown_shows_the_very_texts():
    shown = table((text, text) for text in HOSTILE)
    tokens = MarkdownIt("commonmark").enable("table").parse(shown.markdown())

    def plain(token):
        return "".join(child.content for child in token.children)

    inside = [
        plain(tokens[i + 1])
        for i, token in enumerate(tokens)
        if token.type in ("th_open", "td_open")
    ]
    assert inside == ["arm", "test accuracy", *(text for text in HOSTILE for _ in range(2))]
    sides = [token.attrs["style"] for token in tokens if token.type == "th_open"]
    assert sides == ["text-align:left", "text-align:right"]
    paragraphs = [plain(tokens[i + 1]) for i, t in enumerate(tokens) if t.type == "paragraph_open"]
    assert paragraphs == ["A title_with *signs*. What it | means."]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("97.12\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.34 %", r"97.12~$\pm$~0.34 \%"),
        ("lr=0.1 & a_b #1 {$}", r"lr=0.1 \& a\_b \#1 \{\$\}"),
        ("\\ ~ ^", r"\textbackslash{} \textasciitilde{} \textasciicircum{}"),
        ("[0.1, 2]*", "{[}0.1, 2]{*}"),
        ("a--b---c-d", "a-{}-b-{}-{}-c-d"),
        ("< > |", r"\textless{} \textgreater{} \textbar{}"),
        (
            "τ λ Λ Δ σ²₁ ≥ −∞ ★ …",
            r"$\tau$ $\lambda$ $\Lambda$ $\Delta$ $\sigma$$^{2}$$_{1}$ $\geq$ "
            r"$-$$\infty$ $\star$ \ldots{}",
        ),
        ("two\nlines", "two lines"),
        ("Müller, 日本", "Müller, 日本"),
    ],
)
def test_latex_of_texts(text, escaped):
    assert latex_text(text) == escaped


def test_latex_is_a_table_with_three_rules():
    lines = table([("sgd", "1.0"), ("a & b", "[2]")]).latex().splitlines()
    assert lines == [
        r"% \usepackage{booktabs,longtable}",
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"  \caption{A title\_with {*}signs{*}. What it \textbar{} means.}",
        r"  \label{tab:some-table}",
        r"  \begin{tabular}{lr}",
        r"    \toprule",
        r"    arm & test accuracy \\",
        r"    \midrule",
        r"    sgd & 1.0 \\",
        r"    a \& b & {[}2] \\",
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def test_a_notebook_shows_texts_as_they_are():
    shown = table((text, text) for text in HOSTILE)
    found = []

    class Cells(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag in ("td", "caption"):
                found.append("")

        def handle_data(self, data):
            if found and self.get_starttag_text().startswith(("<td", "<caption")):
                found[-1] += data

    Cells().feed(shown._repr_html_())
    assert found == [shown.caption, *(text for text in HOSTILE for _ in range(2))]
    assert not re.search("<(b|script)>", shown._repr_html_())
    assert shown._repr_latex_() == shown.latex()
