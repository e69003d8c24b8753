import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from thalweg.data import fetch as fetching
from thalweg.data import locate, sources
from thalweg.data.fetch import cache_folder, fetch
from thalweg.data.sources import Source
from thalweg.errors import InputError, ThalwegError

FIRST = "train-images-idx3-ubyte.gz"


class Mirror:
    """A web server on this machine.

    Attributes:
        files: Content by path below the root.
        cut: Bytes left out at the end of every answer, against its Content-Length.
        encoding: Content-Encoding to declare.
        asked: The paths asked for.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut = 0
        self.encoding = ""
        self.asked: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                content = mirror.files.get(self.path.lstrip("/"))
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                if mirror.encoding:
                    self.send_header("Content-Encoding", mirror.encoding)
                self.end_headers()
                self.wfile.write(content[: len(content) - mirror.cut])

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mirrors(
    toy: Source,
    toy_arrays: dict[str, np.ndarray],
    as_idx: Callable[[np.ndarray], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Mirror, Mirror]]:
    """Two mirrors that both hold the toy set, in wrappers that differ."""
    both = (Mirror(), Mirror())
    for level, mirror in zip((1, 9), both, strict=True):
        for file in toy.files:
            content = gzip.compress(as_idx(toy_arrays[file.role]), level)
            mirror.files[f"{file.name}.gz"] = content
    urls = tuple(mirror.url for mirror in both)
    monkeypatch.setitem(sources.SOURCES, "toy", replace(toy, mirrors=urls))
    yield both
    for mirror in both:
        mirror.close()


Mirrors = tuple[Mirror, Mirror]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_fetch(toy: Source, mirrors: Mirrors, capfd: pytest.CaptureFixture[str]) -> None:
    folder = fetch("toy")
    assert folder == cache_folder("toy")
    assert names(folder) == sorted(f"{file.name}.gz" for file in toy.files)
    assert len(mirrors[0].asked) == 4
    assert mirrors[1].asked == []
    assert fetch("toy") == folder
    assert len(mirrors[0].asked) == 4  # what is there and sound is not fetched again
    assert capfd.readouterr() == ("", "")


def test_fetch_into_a_folder_that_locate_searches(mirrors: Mirrors, tmp_path: Path) -> None:
    folder = fetch("toy", tmp_path / "new" / "data")
    assert folder == tmp_path / "new" / "data" / "toy"
    assert locate.locate("toy", tmp_path / "new" / "data", download=False).place.folder == folder


def test_load_downloads(mirrors: Mirrors, toy_arrays: dict[str, np.ndarray]) -> None:
    for _ in range(2):
        arrays = locate.load("toy")
        for role, wanted in toy_arrays.items():
            np.testing.assert_array_equal(arrays[role], wanted)
    assert len(mirrors[0].asked) == 4


def test_a_mirror_without_the_file_gives_way_to_the_next(toy: Source, mirrors: Mirrors) -> None:
    del mirrors[0].files["train-labels-idx1-ubyte.gz"]
    fetch("toy")
    assert len(mirrors[0].asked) == 2  # what it gave is kept, and it is asked no more
    assert len(mirrors[1].asked) == 3


@pytest.mark.parametrize("fault", ["other content", "no IDX", "cut gzip", "cut transfer", "empty"])
def test_bad_content_gives_way_to_the_next_mirror(mirrors: Mirrors, fault: str) -> None:
    files = mirrors[0].files
    if fault == "other content":
        files[FIRST] = files["t10k-images-idx3-ubyte.gz"]
    elif fault == "no IDX":
        files[FIRST] = b"<html>Please log in to this network</html>"
    elif fault == "cut gzip":
        files[FIRST] = files[FIRST][:-20]
    elif fault == "cut transfer":
        mirrors[0].cut = 20
    else:
        files[FIRST] = b""
    folder = fetch("toy")
    assert (folder / FIRST).read_bytes() == mirrors[1].files[FIRST]
    assert len(names(folder)) == 4  # nothing half-done is left


def test_a_transfer_encoding_is_undone(mirrors: Mirrors) -> None:
    mirrors[0].encoding = "gzip"
    fetch("toy")
    assert locate.locate("toy", download=False).place.folder == cache_folder("toy")
    assert mirrors[1].asked == []


def test_all_mirrors_fail(mirrors: Mirrors) -> None:
    del mirrors[0].files[FIRST]
    mirrors[1].files[FIRST] = b"<html>"
    with pytest.raises(ThalwegError) as caught:
        fetch("toy")
    message = str(caught.value)
    assert caught.value.exit_status == 1
    assert "\n" not in message
    assert f"{mirrors[0].url}{FIRST} (HTTP status 404)" in message
    assert f"{mirrors[1].url}{FIRST} gave a wrong file (at byte 0, expected" in message
    assert ".part" not in message
    assert names(cache_folder("toy")) == []
    with pytest.raises(InputError, match=r"thalweg data fetch toy.*HTTP status 404"):
        locate.load("toy")


def test_no_network(toy: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ThalwegError, match=r"127\.0\.0\.1:9/.* \(ConnectionError\)"):
        fetch("toy")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setitem(sources.SOURCES, "toy", replace(toy, mirrors=(url,)))
        monkeypatch.setattr(fetching, "TIMEOUT", 0.2)
        with pytest.raises(ThalwegError, match=r"\(ReadTimeout\)"):
            fetch("toy")


def test_a_damaged_cache_is_repaired(mirrors: Mirrors) -> None:
    path = fetch("toy") / FIRST
    path.write_bytes(path.read_bytes()[:30])
    assert locate.locate("toy").place.folder == cache_folder("toy")
    assert path.read_bytes() == mirrors[0].files[FIRST]
    assert len(mirrors[0].asked) == 5


def test_a_raw_file_beside_the_download_does_no_harm(mirrors: Mirrors) -> None:
    folder = cache_folder("toy")
    folder.mkdir(parents=True)
    (folder / FIRST.removesuffix(".gz")).write_bytes(b"damaged")
    assert locate.locate("toy").paths["train_images"] == folder / FIRST


def test_a_folder_that_cannot_be_written(toy: Source, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ThalwegError, match="cannot be written"):
        fetch("toy", tmp_path / "file")
    with pytest.raises(InputError, match="home"):
        fetch("toy", Path("~nobody-at-all"))


def test_concurrent_fetches(toy: Source, mirrors: Mirrors) -> None:
    threads = [threading.Thread(target=fetch, args=("toy",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(cache_folder("toy"))) == 4
    assert locate.locate("toy", download=False).place.folder == cache_folder("toy")


@pytest.mark.parametrize("name", ["digits", "mnits"])
def test_wrong_names(name: str) -> None:
    with pytest.raises(InputError):
        fetch(name)
