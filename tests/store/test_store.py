import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.files import read_json


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that not even root can write to: a file system mounted read-only."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_store_is_made_and_found_again(tmp_path: Path) -> None:
    Store(tmp_path / "a" / "b", create=True)
    again = Store(tmp_path / "a" / "b")
    assert again.studies() == []
    assert list(again.runs()) == []


def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    Store(tmp_path, create=True)
    assert read_json(tmp_path / "store.json") == {"format": 1}


def test_a_folder_that_does_not_exist_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no results folder"):
        Store(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="is not empty and no results folder"):
        Store(tmp_path, create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(InputError, match=r"cannot be made \(File exists\)"):
        Store(path, create=True)
    with pytest.raises(InputError, match="is no results folder"):
        Store(path)
    with pytest.raises(InputError, match=r"cannot be made \(Not a directory\)"):
        Store(path / "below", create=True)


@pytest.mark.parametrize("marker", [{"format": 2}, {"format": "x"}, {}, [1], "text"])
def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path, marker: object) -> None:
    (tmp_path / "store.json").write_text(json.dumps(marker))
    for create in (True, False):
        with pytest.raises(InputError, match="was written by a newer version"):
            Store(tmp_path, create)
    assert json.loads((tmp_path / "store.json").read_text()) == marker


def test_a_read_only_folder_is_refused(read_only: Path) -> None:
    for folder in (read_only, read_only / "below"):
        with pytest.raises(InputError, match=r"choose (a|another) folder"):
            Store(folder, create=True)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code = (
        "import os, sys; from pathlib import Path; from thalweg.errors import InputError\n"
        "from thalweg.store import Store\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: Store(Path(sys.argv[1]), create=True)\n"
        "except InputError as error: print(error)"
    )
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "choose" in done.stdout


def test_a_writer_killed_while_it_made_the_store_does_not_spoil_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".store.json.k1ll3d").write_text("{")
    Store(tmp_path, create=True)
    assert Store(tmp_path).studies() == []


def test_many_may_make_the_same_store_at_once(tmp_path: Path) -> None:
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _, to=folder: Store(to, create=True), range(8)))


def test_leftovers_of_killed_writers_are_no_runs_and_no_studies(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    (tmp_path / "runs" / "0123456789abcdef").mkdir(parents=True)
    (tmp_path / "runs" / "0123456789abcdef" / ".spec.json.k1ll3d").write_text("{")
    (tmp_path / "studies" / "half").mkdir(parents=True)
    (tmp_path / "studies" / "half" / ".study.json.k1ll3d").write_text("{")
    assert list(store.runs()) == []
    assert store.studies() == []
