import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from thalweg.errors import ThalwegError
from thalweg.store.files import read_json, write_json, write_whole

KILLED_WRITERS = """
import os, random, signal, sys, time
from pathlib import Path
from thalweg.store.files import write_whole

path = Path(sys.argv[1])
contents = [bytes([letter]) * 2_000_000 for letter in b"ab"]
for _ in range(40):
    writer = os.fork()
    while writer == 0:
        for content in contents:
            write_whole(path, content)
    time.sleep(random.uniform(0.001, 0.03))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    if path.exists():
        assert path.read_bytes() in contents, "a part of a file"
"""

LIMITED_WRITER = """
import resource, signal, sys
from pathlib import Path
from thalweg.errors import ThalwegError
from thalweg.store.files import write_whole

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
write_whole(path, "short")
try:
    write_whole(path, "x" * 5000)
except ThalwegError as error:
    print(error)
"""


def run_python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_killed_writer_leaves_the_old_content_or_the_new(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target.bin"
    run_python(KILLED_WRITERS, str(target))
    assert set(target.read_bytes()) in ({ord("a")}, {ord("b")})
    leftovers = [path for path in target.parent.iterdir() if path != target]
    assert leftovers, "no writer was caught in the middle"
    assert all(path.name.startswith(".target.bin.") for path in leftovers)


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "target"
    message = run_python(LIMITED_WRITER, str(target))
    assert message.strip() == f"cannot write {target}: File too large"
    assert target.read_text() == "short"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_text_is_written_as_utf8(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "größer")
    assert (tmp_path / "file").read_bytes() == "größer".encode()


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True], "b": {"c": "größer"}}
    write_json(tmp_path / "file.json", value)
    assert read_json(tmp_path / "file.json") == value


def test_json_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"loss": float("nan")})
    assert not (tmp_path / "file.json").exists()


@pytest.mark.parametrize("content", ["", "{", json.dumps({"a": 1})[:-1], "\udcff"])
def test_damaged_json_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ThalwegError, match=r"file\.json: not readable"):
        read_json(path)


def test_a_missing_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ThalwegError, match=r"file\.json: not readable"):
        read_json(tmp_path / "file.json")
