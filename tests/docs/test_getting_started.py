"""The page that newcomers read first, followed to the letter."""

import pytest
from tests.docs.pages import follow


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_does_what_the_page_says(tmp_path):
    done = follow("getting-started.md", tmp_path)
    printed = {command.splitlines()[0]: text for command, text in done}
    assert len(printed) == len(done) == 9
    assert (tmp_path / "study.toml").exists()
    for command in ("thalweg demo", "thalweg run study.toml", "thalweg run mine.toml --trust"):
        assert "report: " in printed[command]
    assert "epochs" in printed["thalweg explain train.epochs"]
    assert "resolved" in printed["thalweg compare --study study"]
    assert "resolved" in printed["import thalweg as tw"]
