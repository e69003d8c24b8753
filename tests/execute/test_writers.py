import threading
from pathlib import Path

import pytest

from thalweg.errors import ThalwegError
from thalweg.execute.writers import WRITERS, Writers
from thalweg.store.files import write_whole


def test_waits_overlap() -> None:
    together = threading.Barrier(WRITERS)
    with Writers() as writers:
        for _ in range(WRITERS):
            writers.submit(together.wait, 20)  # breaks if they came one after the other


def test_all_is_written_and_what_went_wrong_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ThalwegError, match="cannot write"), Writers() as writers:
        writers.submit(write_whole, tmp_path / "a", "1")
        (tmp_path / "file").touch()
        writers.submit(write_whole, tmp_path / "file" / "b", "2")
        writers.submit(write_whole, tmp_path / "c", "3")
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "c").read_text() == "3"
