"""Tables in LaTeX that fit a page, and through a LaTeX engine where there is one."""

import re
import shutil
import subprocess

import pytest

from thalweg.report.latex_table import latex_table

HEADER = ("task", "model", "arm", *(f"figure {i}" for i in range(12)))
NUMERIC = (False,) * 3 + (True,) * 12


def rows(count, arm="arm & {0} of 100 %_"):
    return [
        ("digits", "mlp", arm.format(i), *(f"{i}.{k} ± 0.12" for k in range(12)))
        for i in range(count)
    ]


def parts(text):
    """The cells of each tabular, header first."""
    found = re.findall(r"\\begin{(?:tabular|longtable)}{(\w+)}(.*?)\\end{(?:t|l)", text, re.DOTALL)
    return [(layout, re.findall(r"^ +(\S.*) \\\\$", body, re.MULTILINE)) for layout, body in found]


def test_a_wide_table_stands_in_parts_that_name_the_rows():
    text = latex_table("points", "Points.", HEADER, rows(4), NUMERIC)
    found = parts(text)
    assert len(found) == 3
    headings = [cells[0].split(" & ") for _, cells in found]
    assert [names[0] for names in headings] == ["arm"] * 3
    assert [name for names in headings for name in names[1:]] == list(HEADER[3:])
    for layout, cells in found:
        assert layout == "l" + "r" * (len(layout) - 1) and len(cells) == 5
    assert r"Points. (task: digits; model: mlp.)" in text
    assert r"Table~\ref{tab:points}, continued." in text
    assert re.findall(r"label{(.*?)}", text) == ["tab:points", "tab:points-2", "tab:points-3"]


def test_a_long_table_breaks_and_repeats_its_header():
    text = latex_table("long", "Long.", HEADER[:5], [row[:5] for row in rows(80)], NUMERIC[:5])
    assert r"\begin{table}" not in text and text.count(r"\begin{longtable}") == 1
    assert text.count("arm & figure 0 & figure 1") == 2
    assert len(re.findall("^  arm .& ", text, re.MULTILINE)) == 80


def test_columns_that_tell_rows_apart_stay():
    two = [("digits", "mlp", "a", "1"), ("letters", "mlp", "a", "2")]
    text = latex_table("t", "T.", HEADER[:4], two, NUMERIC[:4])
    assert parts(text) == [("lr", ["task & figure 0", "digits & 1", "letters & 2"])]
    (alone,) = parts(latex_table("t", "T.", HEADER[:4], two[:1], NUMERIC[:4]))
    assert alone == ("lllr", ["task & model & arm & figure 0", "digits & mlp & a & 1"])
    (none,) = parts(latex_table("t", "T.", HEADER[:3], [two[0][:3]] * 2, NUMERIC[:3]))
    assert none[0] == "lll"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
@pytest.mark.parametrize("count", [4, 120])
def test_an_engine_sets_it_within_the_page(count, tmp_path):
    hostile = r"a_{0} & 50 % of $x$ #1 ~^\<b> [λ₁ ≥ −∞]"
    body = latex_table(
        "t", "What_is & [this].", HEADER, rows(count, hostile.replace("{0}", "{}")), NUMERIC
    )
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,longtable}"
        "\n\\begin{document}\n" + body + "\\end{document}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout and "too large" not in done.stdout
