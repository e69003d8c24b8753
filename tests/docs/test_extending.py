"""The page on extending, as it stands: five modules of one's own in one study."""

import polars as pl
import pytest
from tests.docs.pages import blocks, follow

import thalweg as tw

PAGE = "extending.md"


def test_what_is_shown_by_itself_stands_in_the_study():
    toml = [block for block in blocks(PAGE) if block.language == "toml"]
    (study,) = [block.text for block in toml if block.file]
    parts = [block.text for block in toml if not block.file]
    assert len(parts) == 5
    assert all(part in study for part in parts)


def test_the_modules_are_short():
    modules = [block for block in blocks(PAGE) if block.language == "python"]
    assert [block.file for block in modules] == [
        *("spirals.py", "waves.py", "signs.py", "taylor.py", "margins.py")
    ]
    assert all(len(block.text.splitlines()) <= 25 for block in modules)


def test_the_study_runs(tmp_path, monkeypatch):
    for block in blocks(PAGE):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    monkeypatch.chdir(tmp_path)
    shorter = ["study.seeds=1", "optimizer.lr=0.01"]
    results = tw.load_study("spirals.toml", overrides=shorter, trust=True).run(jobs=1)
    runs = results.frame()
    assert set(runs["arm"]) == {"dense", "magnitude", "taylor"} and set(runs["status"]) == {"done"}
    assert set(runs["optimizer"]) == {"signs:SignMomentum"}
    assert runs["test_accuracy"].min() > 0.7  # half of the points are of either arm
    measured = results.probes().filter(pl.col("probe") == "margins:margins")
    assert measured.filter(pl.col("figure") == "by_class").height == 2 * len(runs)
    kept = results.rounds()["kept"].to_list()
    assert min(kept) == pytest.approx(0.25, abs=0.01)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_its_commands_do_as_they_stand(tmp_path):
    run, compare, query = (printed for _, printed in follow(PAGE, tmp_path))
    assert "report: " in run
    assert "taylor" in compare and "magnitude" in compare
    assert "low" in query
