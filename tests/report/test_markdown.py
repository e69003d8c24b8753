"""The report as Markdown in a folder: its links, its escapes, and what it must not overwrite."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from thalweg.audit import Finding
from thalweg.errors import InputError
from thalweg.report import markdown
from thalweg.report.figures import sections
from thalweg.report.markdown import FILE, write_markdown
from thalweg.report.spent import spent
from thalweg.report.static import static_figure, svg
from thalweg.report.tables import tables
from thalweg.report.without_paths import without_paths
from thalweg.study.panels import panels


class Shown(HTMLParser):
    """What a reader of the rendered page sees, and the elements that it is in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        self.words += [value for name, value in attrs if name == "alt"]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(autouse=True)
def few_figures(monkeypatch):
    """Drawing takes most of the time, and what holds of a figure holds of the others."""
    monkeypatch.setattr(markdown, "FIGURES", 40_000)


@pytest.fixture(scope="module")
def written(classification, tmp_path_factory):
    """The report of a study with all kinds of sections, and what an audit found of it."""
    finding = Finding(
        *("grid-edge", "warning", "arm adam", "the best value may lie beyond the grid"),
        *("best 0.3 of 0.1, 0.3", "the arm is judged below its best", "extend the grid"),
    )
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "FIGURES", 120_000)
        write_markdown(classification, folder, [finding])
    return folder


@pytest.fixture
def small(builder):
    """Two arms, without classes."""
    made = builder(regression=True)
    for seed in range(3):
        made.run("adam", seed, {}, quality=0.8 + 0.01 * seed, task="sine")
        made.run("sgd", seed, {}, quality=0.7 + 0.01 * seed, task="sine")
    return made.results()


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_every_link_resolves_and_every_file_is_linked(classification, written):
    shown = Shown((written / FILE).read_text("utf-8"))
    links = {unquote(link) for link in shown.links}
    assert links == files(written) - {FILE}
    assert {link.partition("/")[0] for link in links} == {"figures", "tables", "study.toml"}
    grouped = panels(classification)
    for table in tables(classification, grouped):
        assert (written / f"tables/{table.name}.csv").read_text() == table.frame.write_csv()


def test_it_says_what_a_reader_must_know(classification, written):
    text = (written / FILE).read_text("utf-8")
    headings = re.findall("^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "Answer"
    assert headings[-3:] == ["What it cost", "Audit", "How to make this again"]
    titles = [section.title for section in sections(classification, panels(classification))]
    assert headings[1:-4] == titles and headings[-4] == "Tables"
    shown = Shown(text).text
    assert classification.question in shown
    assert "95 % interval" in shown and "resolved" in shown  # the verdict on the best arms
    assert "so the true optimum may lie beyond" in shown
    assert "Warning , arm adam: the best value may lie beyond the grid." in shown
    assert "Remedy: extend the grid." in shown
    assert "thalweg run study.toml thalweg report test-study --to FOLDER" in shown
    assert "torch 2.6.0" in shown and "2025-01-02T03:06:10" in shown
    assert (written / "study.toml").read_text() == classification.provenance["study_file"]


def test_names_are_shown_as_they_are(builder, tmp_path):
    name = "*a* [b](c) <img src=x> `d` | e_f_g \\ &amp; $h$ ~i~ #1"
    made = builder()
    for arm in (name, "plain"):
        for seed in range(3):
            made.run(arm, seed, {}, quality=0.8 + 0.01 * seed, task="pipe|task")
    results = made.results(title=name, question=f"{name}\n# no heading\n\n- no list")
    shown = Shown(write_markdown(results, tmp_path).read_text("utf-8"))
    assert shown.tags.count("h1") == 1 and shown.text.startswith(name)
    assert f"Question. {name} # no heading - no list" in shown.text
    # Headings, the answer and every table show it whole.
    assert shown.text.count(name) >= 6 and "pipe|task" in shown.text
    assert "x" not in shown.links and "c" not in shown.links
    assert {unquote(link) for link in shown.links} == files(tmp_path) - {FILE}


def test_no_folder_of_this_machine_is_told(builder, tmp_path):
    made = builder()
    for seed in range(2):
        made.run("good", seed, {}, quality=0.8, model="/home/me/nets.py:Net")
        broken = "FileNotFoundError: '/home/me/my data/x.bin' and /home/me/y.bin"
        made.run("bad", seed, {}, quality=0.0, status="failed", message=broken)
    provenance = made.results().provenance | {
        "command": "thalweg run /home/me/study.toml --out /home/me/out",
        "study_file": 'model = "/home/me/nets.py:Net"\n',
        "warnings": ["/home/me/data: is a copy"],
    }
    write_markdown(made.results(provenance=provenance), tmp_path)
    for name in files(tmp_path):
        if not name.startswith("figures/"):
            assert "/home" not in (tmp_path / name).read_text("utf-8"), name
    assert "y.bin" in (tmp_path / FILE).read_text()
    assert (tmp_path / "study.toml").read_text() == 'model = "nets.py:Net"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see /home/me/nets.py:Net", "see nets.py:Net"),
        ("out=/tmp/x/y, done", "out=y, done"),
        ("'~/data/mnist'", "'mnist'"),
        (r"C:\Users\me\out.csv", "out.csv"),
        ("docs/results/a.md and ../b/c.md", "docs/results/a.md and ../b/c.md"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("λ1/λ2 is 2/lr, T-shirt/top, 3 /4", "λ1/λ2 is 2/lr, T-shirt/top, 3 /4"),
    ],
)
def test_without_paths(text, expected):
    assert without_paths(text) == expected


def test_short_tables_are_shown_and_long_ones_linked(classification, written):
    text = (written / FILE).read_text("utf-8")
    grouped = panels(classification)
    own = {table.name: table for table in tables(classification, grouped)}
    assert len(own["final"].rows) <= markdown.LONGEST_TABLE < len(own["points"].rows)
    assert own["final"].markdown_rows() in text
    assert own["points"].markdown_rows() not in text
    assert f"{len(own['points'].rows)} rows: [points.csv](tables/points.csv)" in text


def test_what_has_no_room_is_named_and_left_out(
    classification, written, small, tmp_path, monkeypatch
):
    shown = Shown((written / FILE).read_text("utf-8"))
    assert 60_000 < sum(p.stat().st_size for p in (written / "figures").iterdir()) <= 120_000
    # The first chart of a kind comes before the second of any other.
    assert any("final-" in link for link in shown.links)
    assert not any("confusion-" in link for link in shown.links)
    assert "On the page only: Confusion matrix" in shown.text

    monkeypatch.setattr(markdown, "FIGURES", 0)
    monkeypatch.setattr(markdown, "TABLES", 2_000)
    shown = Shown(write_markdown(small, tmp_path).read_text("utf-8"))
    assert 0 < sum(p.stat().st_size for p in (tmp_path / "tables").iterdir()) <= 2_000
    assert not (tmp_path / "figures").exists()
    assert {unquote(link) for link in shown.links} == files(tmp_path) - {FILE}


def test_an_earlier_report_is_replaced_and_nothing_else(written, small, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    (tmp_path / "notes.md").write_text("mine")
    write_markdown(small, tmp_path)
    shown = Shown((tmp_path / FILE).read_text("utf-8"))
    mine = {"figures/mine.svg", "notes.md"}
    assert {unquote(link) for link in shown.links} | mine == files(tmp_path) - {FILE}


def test_the_same_results_give_the_same_files(small, tmp_path):
    for name in ("a", "b"):
        write_markdown(small, tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    for name in files(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_readme_of_somebody_else_stays(small, tmp_path):
    (tmp_path / FILE).write_text("# My project\n")
    with pytest.raises(InputError, match=r"--to .*: has a README\.md that is no report"):
        write_markdown(small, tmp_path)
    assert files(tmp_path) == {FILE} and (tmp_path / FILE).read_text() == "# My project\n"


def test_a_folder_that_is_a_file(small, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"--to .*taken: cannot be made"):
        write_markdown(small, tmp_path / "taken")


def test_a_study_without_runs(builder, tmp_path):
    text = write_markdown(builder().results(), tmp_path).read_text("utf-8")
    assert "The study has no runs yet." in text and "What it cost" not in text


def test_earlier_rounds_of_pruning_count_once(builder):
    """Two arms share their dense network and first round: 3 + 1 trainings a seed."""
    made = builder()
    for seed in range(2):
        made.prune("imp", seed, [(1.0, 0.9), (0.5, 0.88), (0.25, 0.86)])
        made.prune("imp random", seed, [(1.0, 0.9), (0.5, 0.88), (0.25, 0.7)], control_of="imp")
    for row in made.rounds:
        row |= {"examples": 1000, "gradient_evaluations": 10, "flops": 1e6, "seconds": 2.0}
    ended = {(row["run"]) for row in made.rounds}
    assert len(ended) == 8
    for run in made.runs:  # the runs of the last round are in both frames
        run["run"] = f"{run['arm']}/2/{run['seed']}"
        run |= {"examples": 1000, "gradient_evaluations": 10, "flops": 1e6, "seconds": 2.0}
    made.metrics.clear()
    assert spent(made.results()).startswith(
        "8 trainings: 8,000 examples, 80 gradient evaluations, 8 M FLOPs, 16 s of wall time"
    )
    unfinished = replace(made.results(), runs=made.results().runs.clear())
    assert spent(replace(unfinished, rounds=unfinished.rounds.clear())) == ""


def test_foreign_strings_stay_text_in_markdown_and_pictures(hostile, tmp_path):
    foreign = hostile.provenance["warnings"]
    audit = [Finding("check", "note", *([text] * 5)) for text in foreign]
    write_markdown(hostile, tmp_path, audit)
    shown = Shown((tmp_path / FILE).read_text())
    assert "hacked" in shown.text
    assert not {"script", "style", "b"} & {*shown.tags}
    assert not any("javascript" in link or link == "x" for link in shown.links)
    charts = [chart for section in sections(hostile, panels(hostile)) for chart in section.charts]
    assert len(charts) > 5
    for chart in charts[::3]:
        for element in ElementTree.fromstring(svg(static_figure(chart))).iter():
            assert not element.tag.endswith(("script", "foreignObject", "}a"))
            assert not any(name.startswith("on") for name in element.attrib)
