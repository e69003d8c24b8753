"""Studies on a real Ray cluster of several nodes, all of them on this machine."""

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster as NodesHere

from thalweg import Results, ThalwegError, load_study, trusting
from thalweg.cohort.seal import OPEN, seal
from thalweg.errors import InputError
from thalweg.execute import Progress, Resources, ray_cluster, ray_pool
from thalweg.execute.ray_cluster import Cluster
from thalweg.execute.ray_node import Node
from thalweg.store import Store
from thalweg.store.transfer import files_of, take_in

STEPS = 18  # an epoch of 1150 examples in batches of 64

ROUNDS = {"name": "imp", "keep": [0.5, 0.2], "rewind": "epoch:1", "optimizer_state": "keep"}
"""A round begins from what three runs before it have left."""

HEALTH = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""A lost node is known within seconds, and not within half a minute."""


@contextmanager
def cluster(cpus: int = 0, **environment: str) -> Iterator[Any]:
    """Start a head with so many CPUs, whose nodes have these variables, and yield the cluster."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    head = {"num_cpus": cpus, "include_dashboard": False, "_system_config": HEALTH}
    started = NodesHere(initialize_head=True, head_node_args=head)
    try:
        yield started
    finally:
        ray.shutdown()
        started.shutdown()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


DRIVER = """
import sys
import thalweg
from thalweg.execute import Progress
study, out, address = sys.argv[1:]
loaded = thalweg.load_study(study, trust=True)
print(loaded.run(out, on=address, progress=Progress(quiet=True)).failed)
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of a head without CPUs and two nodes of one, which this process has joined."""
    folder = str(tmp_path_factory.mktemp("kills"))
    with cluster(THALWEG_TEST_KILLS=folder) as started:
        for _ in range(2):
            started.add_node(num_cpus=1)
        started.wait_for_nodes()
        started.kills = Path(folder)
        ray_cluster.connect(started.address)
        yield started


@pytest.fixture
def run_on(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Results]:
    """Give a function that runs a study on the cluster."""
    monkeypatch.syspath_prepend(Path(__file__).parent)

    def run(study: Path, out: Path, jobs: int | None = None) -> Results:
        with trusting():
            loaded = load_study(study)
            return loaded.run(out, jobs, on=nodes.address, progress=Progress(quiet=True))

    return run


def finals(store: Store) -> dict[str, bytes]:
    return {run.id: run.weights_path.read_bytes() for run in store.runs() if run.is_complete()}


def write_pruned(write_study: Callable[..., Path]) -> Path:
    arms: dict[str, Any] = {
        "momentum": {"optimizer": {"name": "sgd", "momentum": 0.9, "lr": 0.03}},
        "adam": {"optimizer": {"name": "adam", "lr": 0.003}},
        "ticket": {"optimizer": {"name": "sgd", "momentum": 0.9, "lr": 0.03}, "sparsity": ROUNDS},
        "own": {"optimizer": {"name": "strangers:Killing", "lr": 0.07}},
    }
    return write_study(arms=arms)


def write_slow(write_study: Callable[..., Path], log: Path, epochs: int) -> Path:
    """Write a study of four runs of so many epochs and more, each a cohort of its own, which note
    the process at every step.
    """
    return write_study(
        study={"name": "study", "seeds": 1},
        model={"name": "strangers:Slow", "pause": 0.03, "log": str(log)},
        arms={f"arm{i}": {"train": {"epochs": epochs + i}} for i in range(4)},
    )


def pids(log: Path) -> Counter[str]:
    return Counter(log.read_text().split()) if log.exists() else Counter()


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("shared", [True, False])
def test_the_weights_are_those_of_a_run_here(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_on: Callable[..., Results],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
    shared: bool,
) -> None:
    study = write_pruned(write_study)
    scratch = set(Path(tempfile.gettempdir()).glob("thalweg-worker-*"))
    expected = finals(run_here(study, tmp_path / "here", 1).store)
    taken: list[str] = []

    def take(store: Store, files: Mapping[str, bytes], runs: Sequence[str]) -> None:
        taken.extend(runs)
        take_in(store, files, runs)

    monkeypatch.setattr(ray_pool, "take_in", take)
    if not shared:
        monkeypatch.setattr(ray_pool, "write_whole", lambda *file: None)  # no node finds the probe
    results = run_on(study, tmp_path / "there")
    assert results.failed == {}
    assert len(expected) == 10
    assert finals(results.store) == expected
    assert sorted(taken) == ([] if shared else sorted(expected))
    statuses = [run.status() for run in results.store.runs()]
    assert {status["status"] for status in statuses} == {"done"}
    assert not any(True for run in results.store.runs() for _ in run.faults(run.status()))
    assert not any(run.checkpoints() for run in results.store.runs())
    assert not list((tmp_path / "there" / "locks").glob("ray-*"))
    assert set(Path(tempfile.gettempdir()).glob("thalweg-worker-*")) <= scratch
    assert results.frame().height == 8  # arms × seeds; the rounds are frames of their own


def test_a_node_that_is_lost_costs_a_retry_and_nothing_is_trained_twice(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_on: Callable[..., Results],
    run_here: Callable[..., Results],
    nodes: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = tmp_path / "log"
    study = write_slow(write_study, log, epochs=3)
    told: list[str] = []
    monkeypatch.setattr(Progress, "again", lambda *all: told.append(all[3]))
    lost = nodes.add_node(num_cpus=1)

    def lose() -> None:
        wait_until(lambda: len(pids(log)) == 3 and min(pids(log).values()) > STEPS)
        nodes.remove_node(lost, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    results = run_on(study, tmp_path / "out", 3)
    losing.join()
    assert results.failed == {}
    assert told == [f"node {lost.node_ip_address} ({lost.node_id[:8]}) was lost"]
    assert len(finals(results.store)) == 4
    steps = pids(log).total()
    asked = (3 + 4 + 5 + 6) * STEPS
    assert asked < steps < asked + 6 * STEPS, "one run went on from its last checkpoint"


@pytest.mark.slow
def test_a_process_that_is_killed_costs_a_retry(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_on: Callable[..., Results],
    nodes: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Progress, "again", lambda *all: told.append(all[3]))
    study = write_study(
        study={"name": "study", "seeds": 1},
        optimizer={"name": "strangers:Killing"},
        arms={
            "good": {"optimizer": {"lr": 0.1}},
            "once": {"optimizer": {"lr": 0.05, "kills": "once"}},
            "always": {"optimizer": {"lr": 0.02, "kills": "always"}},
        },
    )
    results = run_on(study, tmp_path / "out")
    arms = {row["arm"]: row["run"] for row in results.frame().to_dicts()}
    (message,) = results.failed.values()
    assert set(results.failed) == {arms["always"]}
    assert message.startswith("its process on node ")
    assert message.endswith(" was killed by signal 9 (SIGKILL), perhaps for memory; tried twice")
    assert finals(results.store).keys() == {arms["good"], arms["once"]}
    assert len(told) == 2


@pytest.mark.slow
def test_a_study_whose_driver_is_killed_goes_on(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_on: Callable[..., Results],
    nodes: Any,
) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    study = write_slow(write_study, log, epochs=4)
    command = [sys.executable, "-c", DRIVER, str(study), str(out), nodes.address]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(command, env=environment) as first:
        wait_until(lambda: (out / "store.json").exists() and finals(Store(out)))
        first.kill()
    before = finals(Store(out))
    assert 1 <= len(before) < 4
    workers = [int(pid) for pid in pids(log)]
    results = run_on(study, out)
    assert not any(psutil.pid_exists(pid) for pid in workers)
    assert results.failed == {}
    after = finals(results.store)
    assert len(after) == 4
    assert before.items() <= after.items()
    asked = (4 + 5 + 6 + 7) * STEPS
    assert asked < pids(log).total() < asked + 6 * STEPS, "they went on from their last checkpoints"


@pytest.mark.parametrize("address", ["here", "ray://", "ray://host", "http://host:80", "a:70000"])
def test_an_address_that_is_none_is_a_sentence(address: str) -> None:
    sentence = f"^--on {address}: must be ray, ray://HOST:PORT or HOST:PORT$"
    with pytest.raises(InputError, match=sentence):
        Resources.choose(on=address)


def test_ray_that_is_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"^--on ray: Ray is not installed; pip install 'thalweg"):
        Resources.choose(on="ray")


@pytest.mark.parametrize("form", ["ray://127.0.0.1:{}", "127.0.0.1:{}", "ray"])
@pytest.mark.parametrize("listens", [True, False])
def test_a_cluster_that_cannot_be_reached_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, form: str, listens: bool
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_cluster, "REACH_SECONDS", 0.5)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if listens:
            other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        on = form.format(port)
        named = f"RAY_ADDRESS = '127.0.0.1:{port}': " if on == "ray" else ""
        fault = "what answers is no Ray" if listens else "Connection refused"
        sentence = f"--on {on}: {named}no Ray cluster can be reached there ({fault})"
        with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
            Resources.choose(on=on)


@pytest.mark.parametrize(
    ("cores", "gpus", "asked", "share"),
    [
        ([0, 4, 4], 0, ("auto", None), ("cpu", 8, 1)),
        ([2, 2, 2], 0, ("auto", 2), ("cpu", 2, 2)),
        ([3, 1], 0, ("cpu", 2), ("cpu", 2, 1)),
        ([6], 0, ("auto", 2), ("cpu", 2, 3)),
        ([2], 0, ("auto", 5), ("cpu", 5, 1)),
        ([8, 8], 2, ("auto", None), ("cuda", 2, 8)),
        ([8, 8], 2, ("cpu", None), ("cpu", 16, 1)),
    ],
)
def test_cores_are_shared_among_the_processes_of_a_cluster(
    cores: list[int], gpus: int, asked: tuple[str, int | None], share: tuple[str, int, int]
) -> None:
    assert Cluster(cores, gpus).share(*asked) == share


def test_a_device_that_no_node_has_is_a_sentence() -> None:
    with pytest.raises(InputError, match=r"^--device cuda: no node of the cluster has a GPU"):
        Cluster([4], 0).share("cuda", None)


def test_another_version_on_a_node_is_a_sentence(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_on: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = version("thalweg")
    monkeypatch.setattr(ray_pool, "version", lambda name: "9.9.9")
    fault = rf"has thalweg {here}, this machine 9.9.9; install thalweg 9.9.9 there"
    with pytest.raises(ThalwegError, match=rf"^node \S+ \(\w+\) {fault}$"):
        run_on(write_study(), tmp_path / "out")


def test_data_is_fetched_once_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fetched = []

    def fetch(reference: str) -> dict[str, bytes]:
        fetched.append(reference)
        return {"mnist/a": b"1", "mnist/b": b"2"}

    monkeypatch.setattr(ray, "get", fetch)
    (folder,) = {Node().keep_data("digest", ["reference"]) for _ in range(3)}
    assert fetched == ["reference"]
    kept = {path.name: path.read_bytes() for path in Path(folder, "mnist").iterdir()}
    assert kept == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize(
    ("path", "content", "fault"),
    [
        ("runs/other/status.json", b"{}", "is no file of a run that was given away"),
        ("runs/run/../../status.json", b"{}", "is no file of a run that was given away"),
        ("studies/run/status.json", b"{}", "is no file of a run that was given away"),
        ("runs/run/metrics.parquet", b"other", "arrived damaged"),
        ("runs/run/spec.json", seal(OPEN.encode()) + b" ", "arrived damaged"),
    ],
)
def test_files_that_are_not_what_was_asked_for_are_refused(
    tmp_path: Path, path: str, content: bytes, fault: str
) -> None:
    store = Store(tmp_path / "out", create=True)
    digest = hashlib.sha256(b"metrics").hexdigest()
    status = json.dumps({"status": "done", "files": {"metrics.parquet": digest}}).encode()
    sound = {"runs/run/metrics.parquet": b"metrics", "runs/run/status.json": status}
    with pytest.raises(ThalwegError, match=fault):
        take_in(store, {**sound, path: content}, ["run"])
    assert not (tmp_path / "out" / "runs").exists()
    take_in(store, sound, ["run"])
    assert files_of(store.run("run")) == sound


@contextmanager
def two_hosts(hidden: Sequence[Path], secret: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Start a cluster of two network namespaces, the second of which sees empty folders in the
    place of some; yield the first namespace and the address for drivers, who need the same secret.
    """
    names = [f"thalweg{os.getpid()}{letter}" for letter in "ab"]
    started: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **secret}
    environment.pop("THALWEG_DATA", None)

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    def start(name: str, *arguments: str) -> None:
        mounts = "".join(f"mount -t tmpfs none '{path}' && " for path in hidden)
        shell = f'{mounts if name == names[1] else ""}exec "$@"'
        inside = ["ip", "netns", "exec", name, "unshare", "-m", "sh", "-c", shell, "sh"]
        ray_start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        started.append(
            subprocess.Popen(
                [*inside, *ray_start, *arguments],
                stdout=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        )

    for name in names:
        ip("netns", "add", name)
    try:
        ip(
            "link",
            "add",
            "tw0",
            "netns",
            names[0],
            "type",
            "veth",
            "peer",
            "tw1",
            "netns",
            names[1],
        )
        for index, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.77.0.{index + 1}/24", "dev", f"tw{index}")
            ip("-n", name, "link", "set", f"tw{index}", "up")
            ip("-n", name, "link", "set", "lo", "up")
        head = ["--head", "--port=6379", "--num-cpus=0"]
        start(names[0], *head, "--node-ip-address=10.77.0.1", "--include-dashboard=false")
        time.sleep(10)
        start(names[1], "--address=10.77.0.1:6379", "--node-ip-address=10.77.0.2", "--num-cpus=2")
        time.sleep(10)
        yield names[0], "10.77.0.1:6379"
    finally:
        for process in started:
            family = psutil.Process(process.pid).children(recursive=True)
            for each in [*family, process]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()
        for name in names:
            ip("netns", "del", name)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root, to make two networks"
)
def test_a_node_that_has_nothing_is_sent_all_it_needs(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    real_data: Callable[[str], object],
) -> None:
    real_data("fashion-mnist")
    task = {"name": "fashion-mnist", "examples": 512}
    arms: dict[str, Any] = {
        "ticket": {"sparsity": ROUNDS},
        "own": {"optimizer": {"name": "strangers:Killing", "lr": 0.07}},
    }
    study = write_study(task=task, arms=arms)
    expected = finals(run_here(study, tmp_path / "here", 1).store)
    out = tmp_path / "out"
    data = Path(os.environ["THALWEG_DATA"])
    # Nodes that are started by hand know each other by a token, which is made up here.
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with two_hosts([tmp_path, Path(__file__).parent, data], secret) as (host, address):
        driver = [sys.executable, "-c", DRIVER, str(study), str(out), address]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), **secret}
        subprocess.run(["ip", "netns", "exec", host, *driver], check=True, env=environment)
    assert len(expected) == 8
    assert finals(Store(out)) == expected
