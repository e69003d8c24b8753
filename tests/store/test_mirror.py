"""Results at a URL: against a real server that speaks S3, on this machine's loopback."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.store.conftest import one_core

from thalweg import api
from thalweg.api import Results, Study
from thalweg.cli import main
from thalweg.errors import InputError, ThalwegError
from thalweg.execute import Progress
from thalweg.store import Store, lease, mirror, place
from thalweg.store.assemble import read_results
from thalweg.store.files import DamageWarning
from thalweg.store.query import query
from thalweg.store.verify import verify
from thalweg.study import build_study

TABLE = {
    "study": {"name": "small", "seeds": 2},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [8]},
    "train": {"epochs": 1, "batch_size": 256},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "probes": [{"name": "weights"}],
}

BUCKET = "lab"


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    found = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def client(
    server: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Any]:
    """A client of the server, with an empty bucket; the machine is "here"."""
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv(place.MIRRORS, str(tmp_path / "here"))
    monkeypatch.setattr(place, "_open", {})
    found = boto3.client("s3")
    found.create_bucket(Bucket=BUCKET)
    yield found
    for each in objects(found):
        found.delete_object(Bucket=BUCKET, Key=each)
    found.delete_bucket(Bucket=BUCKET)
    found.close()


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Give a function that goes to another machine: its mirrors are its own."""

    def go(name: str) -> None:
        monkeypatch.setenv(place.MIRRORS, str(tmp_path / name))
        monkeypatch.setattr(place, "_open", {})

    return go


def objects(client: Any) -> dict[str, bytes]:
    """Return the bucket's objects by key."""
    found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {
        each["Key"]: client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        for each in found
    }


def run(url: str) -> Results:
    with one_core():
        return Study(build_study(TABLE)).run(url, jobs=1, progress=Progress(quiet=True))


def weights(store: Store) -> list[bytes]:
    return [run.weights_path.read_bytes() for run in store.runs()]


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["thalweg", *arguments])
    try:
        main()
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code
    return 0


def settle() -> None:
    with place.settling_at_end():
        pass


URL = f"s3://{BUCKET}/group/first"


def test_another_machine_has_what_this_one_trained(
    client: Any, move: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run(URL)
    page = here.store.study_folder("small") / "report" / "index.html"
    page.parent.mkdir()
    page.write_text("a report")
    settle()
    there = objects(client)
    names = {key.removeprefix("group/first/") for key in there}
    assert {"store.json", "studies/small/study.json", "studies/small/study.toml"} <= names
    assert "studies/small/report/index.html" in names
    assert not any("lock" in name or "checkpoint" in name or "lease" in name for name in names)
    ids = here.store.run_ids()
    results = ("spec.json", "status.json", "metrics.parquet", "final.safetensors")
    assert {f"runs/{i}/{name}" for i in ids for name in results} <= names
    for key, content in there.items():
        assert (here.store.root / key.removeprefix("group/first/")).read_bytes() == content

    move("elsewhere")
    monkeypatch.setattr(api, "execute", never_trains(api.execute))
    again = run(URL)
    assert again.store.root != here.store.root
    assert weights(again.store) == weights(here.store)
    assert again.frame().equals(here.frame())
    assert again.probes().equals(here.probes()) and len(again.probes())
    assert verify(again.store).faults == []
    settle()
    now = objects(client)
    assert {k for k in now if now[k] != there.get(k)} <= {
        f"group/first/studies/small/study.{kind}" for kind in ("json", "toml")
    }


def never_trains(execute: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        outcome = execute(*arguments)
        assert outcome.trained == []
        return outcome

    return checked


def test_a_driver_killed_as_it_puts_a_run_there(
    client: Any, move: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, signal\n"
        "from tests.store import test_mirror as here\n"
        "from thalweg.store.mirror import Mirror\n"
        "put = Mirror._put\n"
        "def killing(self, content):\n"
        "    rest = {n: d for n, d in content.items() if not n.endswith('metrics.parquet')}\n"
        "    put(self, rest)\n"
        "    if len(rest) < len(content):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "Mirror._put = killing\n"
        "here.run(here.URL)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root)
    assert done.returncode == -signal.SIGKILL
    left = {key.rpartition("/")[2] for key in objects(client)}
    assert "final.safetensors" in left and "lease.json" in left  # it was in the midst of it
    assert "status.json" not in left and "metrics.parquet" not in left

    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    move("elsewhere")
    assert set(read_results(Store(URL), "small").runs["status"]) == {"missing"}
    settle()
    move("here")
    monkeypatch.setattr(api, "execute", never_trains(api.execute))
    here = run(URL)
    move("elsewhere")
    assert set(read_results(Store(URL), "small").runs["status"]) == {"done"}
    assert weights(Store(URL)) == weights(here.store)
    assert not any("lease" in key for key in objects(client))


def test_a_flipped_bit_in_an_object(
    client: Any,
    move: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = run(URL)
    settle()
    expected, lost = weights(here.store), here.store.run_ids()[0]
    key = f"group/first/runs/{lost}/final.safetensors"
    content = bytearray(objects(client)[key])
    content[len(content) // 2] ^= 1
    client.put_object(Bucket=BUCKET, Key=key, Body=bytes(content))

    move("elsewhere")
    with pytest.warns(DamageWarning, match=lost):
        statuses = dict(read_results(Store(URL), "small").runs.select("run", "status").iter_rows())
    assert statuses.pop(lost) == "missing" and set(statuses.values()) == {"done"}
    assert command(monkeypatch, "verify", "--out", URL) == 1
    assert f"{URL}/runs/{lost}/final.safetensors: its checksum" in capsys.readouterr().out
    assert command(monkeypatch, "verify", "--repair", "--out", URL) == 0
    assert not any(lost in key for key in objects(client))
    assert weights(run(URL).store) == expected
    assert objects(client)[key] == expected[0]

    client.put_object(Bucket=BUCKET, Key=key, Body=bytes(content))
    move("here")  # its mirror is whole, and takes the object's place
    assert command(monkeypatch, "verify", "--repair", "--out", URL) == 0
    assert objects(client)[key] == expected[0]
    assert command(monkeypatch, "verify", "--out", URL) == 0


def test_a_server_that_is_gone_in_the_middle(
    server: ThreadedMotoServer,
    client: Any,
    move: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = api.record_study
    down = server.get_host_and_port()

    def pull_the_plug(*arguments: Any) -> None:
        record(*arguments)
        monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
        server.stop()

    with monkeypatch.context() as patch:
        patch.setattr(api, "record_study", pull_the_plug)
        patch.setattr(mirror, "WAIT_SECONDS", 0.0)
        with pytest.raises(ThalwegError, match=r"2 complete runs and \d files of studies could"):
            run(URL)
    server._port = down[1]
    server.start()
    (here,) = place._open.values()
    assert [each.is_complete() for each in Store(here.root).runs()] == [True, True]
    monkeypatch.setattr(place, "_open", {})
    client.create_bucket(Bucket=BUCKET)
    assert command(monkeypatch, "query", "SELECT 1", "--out", URL) == 0
    move("elsewhere")
    assert set(read_results(Store(URL), "small").runs["status"]) == {"done"}


def test_two_machines_that_train_the_same_runs(
    client: Any, move: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # neither knows of the other, nor puts anything there yet
        patch.setattr(api, "settle", lambda folder: None)
        patch.setattr(mirror, "PUSH_SECONDS", 3600.0)
        first = run(URL)
        one = place._open
        move("elsewhere")
        second = run(URL)
        other = place._open
    for opened in (other, one):
        for each in opened.values():
            each.close()
    move("a third")
    third = Store(URL)
    assert verify(third).faults == []
    assert weights(third) == weights(first.store) == weights(second.store)
    moments = [(run.path / "status.json").read_bytes() for run in third.runs()]
    assert moments == [(run.path / "status.json").read_bytes() for run in second.store.runs()]


def test_the_lease(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Store(URL, create=True)
    found = place.mirror_of(opened.root)
    assert found is not None
    other = lease.Lease(found._files, found._lease._path)
    assert other.take() and not found._lease.take()
    monkeypatch.setattr(mirror, "WAIT_SECONDS", 0.0)
    with pytest.raises(ThalwegError, match="another command is writing there"):
        settle()
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.0)
    time.sleep(0.3)
    other.renew()
    time.sleep(0.3)
    assert not found._lease.take()  # it was renewed in the meantime
    time.sleep(0.6)
    assert found._lease.take()
    found._lease.release()
    settle()
    assert "group/first/store.json" in objects(client)


def test_names_that_lead_out_of_the_folder_are_not_fetched(
    client: Any, move: Callable[[str], None], tmp_path: Path
) -> None:
    Store(URL, create=True)
    settle()
    for name in ("studies/../../evil", "runs/../evil.json", "evil", "studies/a/.evil", "/etc/evil"):
        client.put_object(Bucket=BUCKET, Key=f"group/first/{name}", Body=b"evil")
    client.put_object(Bucket=BUCKET, Key="group/first/studies/a/good", Body=b"good")
    move("elsewhere")
    Store(URL)
    assert [path.name for path in tmp_path.rglob("*evil*")] == []
    assert len([*tmp_path.rglob("good")]) == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://nobody-s/x", "--out s3://nobody-s/x: cannot be read (The specified bucket"),
        ("s3://lab/empty", "s3://lab/empty: is no results folder"),
        ("xyz://a/b", "--out xyz://a/b: cannot be opened (Protocol not known: xyz)"),
        ("memory://a", "--out memory://a: must outlive the command"),
    ],
)
def test_a_url_that_cannot_be_opened_gets_a_sentence(
    client: Any,
    url: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(monkeypatch, "show", "--out", url) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"thalweg: {sentence}") and told.count("\n") == 1


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(InputError, match=r"pip install 'thalweg\[s3\]'"):
        Store("s3://lab/none")
    with pytest.raises(InputError, match="Install s3fs"):
        Store("gs://lab/none")


def test_no_credentials(client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    try:
        with pytest.raises(InputError, match="credentials"):
            Store("s3://lab/none")
    finally:
        s3fs.S3FileSystem.clear_instance_cache()


def test_a_folder_by_its_url(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/out"
    assert place.local_folder(url) == tmp_path / "out"
    Store(url, create=True)
    assert query(Store(tmp_path / "out"), "SELECT * FROM runs").is_empty()
