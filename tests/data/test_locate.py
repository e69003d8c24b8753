import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from thalweg.data import locate, sources, status
from thalweg.data.fetch import cache_folder
from thalweg.data.sources import Source
from thalweg.errors import InputError

Write = Callable[..., Path]
Arrays = dict[str, np.ndarray]
FIRST = "train-images-idx3-ubyte"


def same(found: Arrays, wanted: Arrays) -> None:
    assert list(found) == list(wanted)
    for role in wanted:
        np.testing.assert_array_equal(found[role], wanted[role])


def damage(path: Path) -> None:
    """Change one pixel, so that the file stays a sound IDX file."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("gz", [False, True])
def test_every_spelling(
    toy_arrays: Arrays, write_toy: Write, tmp_path: Path, gz: bool, dotted: bool
) -> None:
    folder = write_toy(tmp_path / "mine", gz=gz, dotted=dotted)
    same(locate.load("toy", folder), toy_arrays)
    located = locate.locate("toy", folder)
    assert located.name == "toy"
    assert set(located.paths) == set(toy_arrays)
    assert all(path.parent == folder for path in located.paths.values())


def test_search_order(write_toy: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the places from the last to the first: each new one takes over."""
    given = tmp_path / "given"
    given.mkdir()
    monkeypatch.setenv("THALWEG_DATA", str(given))
    places = [
        tmp_path / "debian" / "toy",
        tmp_path / "home" / "datasets" / "Toy" / "raw",
        tmp_path / "home" / "data" / "Toy" / "raw",
        Path("data") / "Toy" / "raw",
        tmp_path / "home" / ".cache" / "thalweg" / "toy",
        given / "Toy" / "raw",
        given / "toy",
        given,
    ]
    for folder in places:
        write_toy(folder)
        assert locate.locate("toy").place.folder == folder
    other = write_toy(tmp_path / "other")
    assert locate.locate("toy", other).place.folder == other  # the argument replaces the variable
    assert locate.locate("toy", Path("~/data/Toy/raw")).place.folder == places[2]


def test_the_cache_follows_xdg(
    write_toy: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    write_toy(tmp_path / "xdg" / "thalweg" / "toy")
    assert locate.locate("toy").place.folder == tmp_path / "xdg" / "thalweg" / "toy"


@pytest.mark.parametrize("by_argument", [True, False])
def test_a_given_folder_must_exist(
    toy: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_argument: bool
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for wrong in (tmp_path / "none", tmp_path / "file", Path("x" * 5000), Path("~nobody-at-all/x")):
        monkeypatch.setenv("THALWEG_DATA", "" if by_argument else str(wrong))
        origin = "the data folder" if by_argument else "THALWEG_DATA"
        with pytest.raises(InputError, match=f"^{origin} = .*must be a folder that exists"):
            locate.locate("toy", wrong if by_argument else None, download=False)


@pytest.mark.parametrize("below", ["", "toy", "Toy/raw"])
def test_a_given_folder_with_a_damaged_file_is_an_error(
    toy: Source, write_toy: Write, tmp_path: Path, below: str
) -> None:
    write_toy(cache_folder("toy"))
    given = tmp_path / "given"
    path = write_toy(given / below) / f"{FIRST}.gz"
    damage(path)
    with pytest.raises(InputError) as caught:
        locate.load("toy", given)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert toy.files[0].sha256[:12] in message
    assert message.count("…") == 2  # both hashes, abbreviated
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"at byte .* expected the rest of the gzip stream"):
        locate.load("toy", given)


def test_damage_is_an_error_even_in_a_part_of_the_set(
    toy: Source, write_toy: Write, tmp_path: Path
) -> None:
    given = write_toy(tmp_path / "given")
    for file in toy.files[1:]:
        (given / f"{file.name}.gz").unlink()
    damage(given / f"{FIRST}.gz")
    with pytest.raises(InputError, match="SHA-256"):
        locate.load("toy", given)


def test_a_given_folder_that_lacks_the_set_is_passed_over(
    toy_arrays: Arrays, write_toy: Write, tmp_path: Path
) -> None:
    cached = write_toy(cache_folder("toy"))
    given = write_toy(tmp_path / "given")
    (given / "t10k-labels-idx1-ubyte.gz").unlink()
    located = locate.locate("toy", given)
    assert located.place.folder == cached
    same(locate.load("toy", given), toy_arrays)


def test_another_set_in_the_given_folder_is_not_damage(
    toy: Source, write_toy: Write, tmp_path: Path, as_idx: Callable[[np.ndarray], bytes]
) -> None:
    """MNIST and Fashion-MNIST use the same file names."""
    given = write_toy(tmp_path / "given")
    with pytest.raises(InputError, match=r"given \(holds Toy\)"):
        locate.load("mnist", given, download=False)
    write_toy(given / "toy")
    assert locate.locate("toy", given).place.folder == given


def test_damage_elsewhere_is_passed_over_but_told(
    toy: Source, write_toy: Write, tmp_path: Path
) -> None:
    damage(write_toy(cache_folder("toy")) / f"{FIRST}.gz")
    with pytest.raises(InputError, match=r"was not found.*SHA-256 of the decompressed bytes"):
        locate.locate("toy", download=False)
    debian = write_toy(tmp_path / "debian" / "toy")
    assert locate.locate("toy").place.folder == debian


def test_not_found_lists_every_way(toy: Source, tmp_path: Path) -> None:
    for download in (False, True):
        with pytest.raises(InputError) as caught:
            locate.load("toy", download=download)
        message = str(caught.value)
        assert "\n" not in message
        for way in (
            "THALWEG_DATA",
            "dataset-toy",
            "thalweg data fetch toy",
            "data/Toy/raw",
            "http://127.0.0.1:9/",
            f"{FIRST}.gz",
            str(cache_folder("toy")),
            str(tmp_path / "debian" / "toy"),
        ):
            assert way in message
        assert ("could not be downloaded" in message) == download


def test_without_a_home(
    toy: Source, write_toy: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(path: Path) -> Path:
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "expanduser", homeless)
    debian = write_toy(tmp_path / "debian" / "toy")
    assert locate.locate("toy").place.folder == debian


@pytest.mark.parametrize(
    ("name", "message"),
    [("fashon-mnist", "did you mean 'fashion-mnist'"), ("digits", "'digits' is built in")],
)
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        locate.locate(name)


def row(name: str, data: Path | None = None) -> dict[str, object]:
    return next(row for row in status.status(data) if row["name"] == name)


def test_status(toy: Source, write_toy: Write, tmp_path: Path) -> None:
    assert row("digits") == {
        "name": "digits",
        "summary": sources.BUILT_IN["digits"],
        "available": True,
        "where": "built in",
        "verified": True,
        "error": None,
    }
    absent = {"available": False, "where": None, "verified": False, "error": None}
    assert row("toy") == {
        "name": "toy",
        "summary": "12 + 5 images of 4×4, 10 classes",
        **absent,
    }
    folder = write_toy(cache_folder("toy"))
    found = {"available": True, "where": str(folder), "verified": True, "error": None}
    assert row("toy") == {"name": "toy", "summary": "12 + 5 images of 4×4, 10 classes", **found}
    damage(folder / f"{FIRST}.gz")
    assert row("toy")["available"] is False
    assert "SHA-256" in str(row("toy")["error"])
    assert "must be a folder" in str(row("toy", tmp_path / "none")["error"])


def test_verify(toy: Source, write_toy: Write, tmp_path: Path) -> None:
    assert [row["name"] for row in status.verify()] == [
        "digits", "sine", "mnist", "fashion-mnist", "toy",
    ]  # fmt: skip
    assert status.verify("digits") == [row("digits")]
    with pytest.raises(InputError, match="thalweg data fetch toy"):
        status.verify("toy")
    with pytest.raises(InputError, match="unknown data set"):
        status.verify("tou")
    folder = write_toy(cache_folder("toy"))
    assert status.verify("toy") == [row("toy")]
    damage(folder / f"{FIRST}.gz")
    for name in ("toy", None):
        with pytest.raises(InputError, match="SHA-256"):
            status.verify(name)


def test_constants() -> None:
    for source in sources.SOURCES.values():
        assert all(mirror.endswith("/") for mirror in source.mirrors)
        assert len(source.class_names) == 10
        assert [file.role for file in source.files] == [
            "train_images", "train_labels", "test_images", "test_labels",
        ]  # fmt: skip


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_real_sets(name: str, real_data: Callable[[str], Arrays]) -> None:
    source = sources.SOURCES[name]
    arrays = real_data(name)
    for file in source.files:
        assert arrays[file.role].shape == file.shape
        assert arrays[file.role].dtype == np.uint8
    pixels = arrays["train_images"] / 255
    assert pixels.mean() == pytest.approx(source.mean, abs=5e-5)
    assert pixels.std() == pytest.approx(source.std, abs=5e-5)
    assert set(arrays["train_labels"]) == set(arrays["test_labels"]) == set(range(10))
