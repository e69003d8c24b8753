"""A disk that is full, and one that cannot be written."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thalweg import InputError, Results, ThalwegError
from thalweg.store import Store


def mount(*options: str) -> None:
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting needs root")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 320 KiB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=320k", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "-R", str(folder)], check=True)


def finals(out: Path) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in out.glob("runs/*/final.safetensors")}


def write(write_study: Callable[..., Path]) -> Path:
    """Write a study of eight runs with 30 kB of weights each."""
    model = {"name": "mlp", "widths": [100]}
    arms = {f"arm{i}": {"train": {"epochs": i + 1}} for i in range(8)}
    return write_study(study={"name": "study", "seeds": 1}, model=model, arms=arms)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_stops_the_study_which_goes_on_when_there_is_room(
    tmp_path: Path,
    small_disk: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    jobs: int,
) -> None:
    out, study = small_disk / "out", write(write_study)
    whole = finals(run_here(study, tmp_path / "whole", jobs).store.root)
    with pytest.raises(ThalwegError, match=f"^cannot write {out}.*: No space left on device$"):
        run_here(study, out, jobs)
    complete = [run for run in Store(out).runs() if run.is_complete()]
    assert 0 < len(complete) < 8
    assert not list(out.rglob(".*"))
    before = {path: path.stat().st_mtime_ns for run in complete for path in run.path.iterdir()}

    mount("-o", "remount,size=8m", str(small_disk))
    assert run_here(study, out, jobs).failed == {}
    assert finals(out) == whole
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_command_on_a_full_disk_ends_with_one_sentence(
    small_disk: Path, write_study: Callable[..., Path]
) -> None:
    arguments = [str(write(write_study)), "--out", str(small_disk / "out"), "--jobs", "1"]
    command = [sys.executable, "-c", "from thalweg.cli import main; main()", "run", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    *progress, sentence = done.stderr.strip().splitlines()
    assert all(line.startswith("[") for line in progress)
    assert sentence.startswith(f"thalweg: cannot write {small_disk}")
    assert sentence.endswith(": No space left on device")


def test_a_folder_that_cannot_be_written_is_read_and_nothing_is_trained(
    small_disk: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    out = small_disk / "out"
    study = write_study()
    before = run_here(study, out).frame()
    mount("-o", "remount,ro", str(small_disk))
    reason = f"^--out {out}: cannot be written; choose another folder$"
    with pytest.raises(InputError, match=reason):
        run_here(study, out, seeds=3)
    with pytest.raises(InputError, match=r"^--out .*: cannot be made \(Read-only file system\)"):
        run_here(study, small_disk / "other")
    results = Results("study", Store(out), {})
    assert results.frame().equals(before)
    with pytest.raises(ThalwegError, match=f"^cannot write {out}.*: Read-only file system$"):
        results.report()


def test_a_folder_that_turns_unwritable_stops_the_study(
    small_disk: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the system mounts a disk anew because of an error."""
    out = small_disk / "out"
    optimizer = {"name": "strangers:Acting", "lr": 0.1}
    study = write_study(study={"name": "study", "seeds": 1}, optimizer=optimizer)
    # The disk itself cannot be mounted anew as long as the study holds its locks.
    monkeypatch.setenv("THALWEG_TEST_ACT", f"mount -t tmpfs -o ro tmpfs {out / 'runs'}")
    with pytest.raises(ThalwegError, match=f"^cannot write {out}.*: Read-only file system$"):
        run_here(study, out)
    subprocess.run(["umount", str(out / "runs")], check=True)
    monkeypatch.delenv("THALWEG_TEST_ACT")
    assert run_here(study, out).failed == {}
