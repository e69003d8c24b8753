"""Workers on the nodes of a Ray cluster, in the place of processes on this machine.

Ray decides which node has room, starts what runs there and tells of nodes that are lost. A worker
there is the process that it is here, behind an actor (`thalweg.execute.ray_node`); who trains what,
and what follows a death, is decided by the same code too. Ray's own retries are off, so that no
cohort is trained by two.

Where the results folder is the same one on a node, the worker writes into it and holds the runs'
locks, as one on this machine does. Where it is not, this process holds the locks, sends what the
runs begin from, and takes home what the worker has written when it ends, dies or is stopped.
"""

import hashlib
import json
import os
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError, RayTaskError

from thalweg.data import sources
from thalweg.data.locate import VARIABLE, search
from thalweg.errors import ThalwegError
from thalweg.execute import ray_node
from thalweg.execute.grouping import CohortPlan
from thalweg.execute.options import Resources
from thalweg.execute.own_code import own_code
from thalweg.execute.pool import Event, describe_end, job_line
from thalweg.execute.train_cohort import claimed
from thalweg.execute.wanted import Wanted
from thalweg.spec import RunSpec
from thalweg.store import Store
from thalweg.store.files import write_whole
from thalweg.store.transfer import files_of, take_in
from thalweg.validation import brief

SILENCE_SECONDS = 60.0
"""How long a node may not be reached before its worker counts as dead, unless Ray knows sooner."""

PATIENCE_SECONDS = 10.0
"""After so long a wait for a free CPU the user is told."""

STOP_SECONDS = 10.0
"""The longest wait, at the end, for what workers have written."""

_START = """
import json, sys
settings = json.loads(sys.stdin.readline())
def refuse(fault):
    message = f"node {settings['node']} has {fault}; install thalweg {settings['version']} there"
    print(json.dumps({"event": "error", "message": message}), flush=True)
try:
    from importlib.metadata import version
    found = version("thalweg")
except ImportError:
    refuse("no thalweg")
else:
    if found != settings["version"]:
        refuse(f"thalweg {found}, this machine {settings['version']}")
    else:
        from thalweg.execute.node_worker import main
        main(settings)
"""
"""What a worker's process runs; it may be on a node that has no Thalweg, or another one."""


class RayPool:
    """As many workers as there are jobs, each on a node that has room for it; those for which there
    is none yet wait.

    Args:
        resources: Processes, threads and device.
        store: The results folder.
        cohorts: How many cohorts there are, so that no idle worker is started.
        specs: All runs that may be trained.
    """

    def __init__(
        self, resources: Resources, store: Store, cohorts: int, specs: Sequence[RunSpec]
    ) -> None:
        self.events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        self._errand = _Errand(resources, store, specs)
        self._workers = [self._start(index) for index in range(min(resources.jobs, cohorts))]

    def submit(self, worker: int, cohort: CohortPlan, wanted: Wanted) -> None:
        self._workers[worker].submit(cohort, wanted)

    def replace(self, worker: int) -> None:
        self._workers[worker].stop()
        self._workers[worker] = self._start(worker)

    def stop(self) -> None:
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.stop()
        self._errand.close()

    def _start(self, index: int) -> "_Worker":
        return _Worker(index, self._errand, self.events)


class _Errand:
    """What all workers are sent with.

    Attributes:
        store: The results folder, as it is called here.
        settings: What a worker process is told first.
        options: Of the actors.
    """

    def __init__(self, resources: Resources, store: Store, specs: Sequence[RunSpec]) -> None:
        self.store = store
        self._specs = specs
        self._data = resources.data or os.environ.get(VARIABLE) or None
        self._lock = threading.Lock()
        self._waiting = False
        token = secrets.token_hex(8)
        self._probe = store.root.resolve() / "locks" / f"ray-{token}"
        write_whole(self._probe, token)
        self._code = own_code(specs)
        self._sets = sorted({spec.task.name for spec in specs} & set(sources.SOURCES))
        self.settings: dict[str, Any] = {
            "version": version("thalweg"),
            "store": str(store.root.resolve()),
            "probe": str(self._probe),
            "token": token,
            "data": str(Path(self._data).expanduser().resolve()) if self._data else None,
            "sets": self._sets,
            "code": {
                str(root): {name: _digest(content) for name, content in files.items()}
                for root, files in self._code.items()
            },
            "device": resources.device,
            "jobs": resources.jobs,
            "threads": resources.threads,
            "backend": resources.backend,
        }
        self.options: dict[str, Any] = {
            "num_cpus": resources.threads,
            "num_gpus": _gpus(resources),
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": 4,  # a wait for events beside everything else
        }

    def code(self, root: str) -> Mapping[str, bytes]:
        """Return the modules of a folder of this machine."""
        return self._code[Path(root)]

    @cached_property
    def data(self) -> tuple[str, Any]:
        """The files of all data sets: the name of their content, and where Ray has them."""
        files = {}
        for name in self._sets:
            located = search(name, Path(self._data) if self._data else None).located
            assert located is not None  # the study was planned with it
            for path in located.paths.values():
                files[f"{name}/{path.name}"] = path.read_bytes()
        digest = hashlib.sha256()
        for file, content in files.items():
            digest.update(f"{file} {_digest(content)}\n".encode())
        return digest.hexdigest()[:16], ray.put(files)

    def shipped_data(self) -> tuple[str, Any]:
        """Return `data`, which is read once, whichever worker is the first to need it."""
        with self._lock:
            return self.data

    def say_waiting(self) -> None:
        """Tell the user, once, that the cluster has no room."""
        with self._lock:
            if not self._waiting:
                self._waiting = True
                print("waiting for a free CPU in the cluster", file=sys.stderr)

    def close(self) -> None:
        with suppress(OSError):
            self._probe.unlink()


class _DeadError(Exception):
    """A worker has died; the message is a clause that says how."""


class _Worker:
    """One actor and the thread that talks to it.

    Args:
        index: Number of the worker.
        errand: What it is sent with.
        events: Where what it tells goes.
    """

    def __init__(
        self, index: int, errand: _Errand, events: "SimpleQueue[tuple[int, Event]]"
    ) -> None:
        self._index = index
        self._errand = errand
        self._events = events
        self._jobs: SimpleQueue[tuple[CohortPlan, Wanted] | None] = SimpleQueue()
        self._ended = False
        self._create()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, cohort: CohortPlan, wanted: Wanted) -> None:
        self._jobs.put((cohort, wanted))

    def end(self) -> None:
        """Begin to end: the process stops, and what it has written is still taken home."""
        self._ended = True
        self._jobs.put(None)
        if self._node:
            with suppress(RayError):
                self._actor.end.remote()
        else:
            ray.kill(self._actor)  # it waits for room, or is just being started

    def stop(self) -> None:
        self.end()
        self._thread.join(STOP_SECONDS)
        with suppress(RayError):
            ray.get(self._actor.leave.remote(), timeout=STOP_SECONDS)
        ray.kill(self._actor)

    def _create(self) -> None:
        self._node = self._node_id = ""
        self._seen = self._lines = 0
        self._told: deque[Event] = deque()
        actor = ray.remote(ray_node.Node).options(**self._errand.options)
        self._actor: Any = actor.remote()

    def _serve(self) -> None:
        try:
            self._begin()
            self._tell({"event": "ready"})
            while (job := self._jobs.get()) is not None:
                if not self._lives():  # it died at no cohort's work
                    self._create()
                    self._begin()
                self._train(*job)
        except _DeadError as error:
            self._tell({"event": "dead", "end": str(error)})
        except Exception as error:  # of this thread, which would take the command with it
            self._tell({"event": "error", "message": brief(error)})

    def _begin(self) -> None:
        """Start the process on whichever node has room, with what it lacks there."""
        placed = self._actor.place.remote()
        if not ray.wait([placed], timeout=PATIENCE_SECONDS)[0] and not self._ended:
            self._errand.say_waiting()
        address, self._node_id = self._get(placed)
        self._node = f"{address} ({self._node_id[:8]})"
        self._call("start", _START, {**self._errand.settings, "node": self._node})
        self._lines = 1
        place = self._await("place")
        self._shared = place["shared"]
        code = {root: self._call("keep_code", self._errand.code(root)) for root in place["code"]}
        data = None
        if place["data"]:
            name, files = self._errand.shipped_data()
            data = self._call("keep_data", name, [files])
        self._send(json.dumps({"code": code, "data": data}))
        self._await("ready")

    def _await(self, kind: str) -> Event:
        """Return the next event, which is of this kind unless the worker cannot be started."""
        event = self._next()
        if event["event"] == "dead":
            raise _DeadError(describe_end(event["status"], f" on node {self._node}"))
        if event["event"] != kind:
            raise ThalwegError(event["message"])
        return event

    def _train(self, cohort: CohortPlan, wanted: Wanted) -> None:
        with ExitStack() as held:
            specs: Sequence[RunSpec] = cohort.specs
            if not self._shared:
                specs = held.enter_context(claimed(specs, self._errand.store, wanted))
                self._call("put", self._begun(specs))
            self._send(job_line(specs, cohort.plan, wanted))
            while (event := self._next())["event"] == "epoch":
                self._tell(event)
            if not self._shared:
                ids = [spec.id for spec in specs]
                take_in(self._errand.store, self._call("take", ids), ids)
        if event["event"] == "dead":
            raise _DeadError(describe_end(event["status"], f" on node {self._node}"))
        if event["event"] == "error":
            event = {**event, "message": f"node {self._node}: {event['message']}"}
        self._tell(event)

    def _begun(self, specs: Sequence[RunSpec]) -> dict[str, bytes]:
        """Return the files that runs go on, or begin, from: their own and of those that they are
        pruned from.
        """
        needed = {
            each.id
            for spec in specs
            for each in (spec, spec.parent, spec.dense)
            if each is not None
        }
        found: dict[str, bytes] = {}
        for run_id in sorted(needed):
            found |= files_of(self._errand.store.run(run_id))
        return found

    def _lives(self) -> bool:
        try:
            return bool(self._call("lives"))
        except _DeadError:
            return False

    def _next(self) -> Event:
        """Return what the process tells next; print what it prints."""
        while True:
            while not self._told:
                news = self._call("events", self._seen)
                self._seen += len(news)
                self._told.extend(news)
            event = self._told.popleft()
            if event["event"] != "said":
                return event
            sys.stderr.write(event["line"])

    def _send(self, line: str) -> None:
        self._call("send", self._lines, line)
        self._lines += 1

    def _tell(self, event: Event) -> None:
        self._events.put((self._index, event))

    def _call(self, method: str, *arguments: Any) -> Any:
        """Call the actor, again where it is not known whether it has heard.

        Raises:
            _DeadError: It, or its node, is lost.
            ThalwegError: The node cannot do what it was asked.
        """
        began = time.monotonic()
        while True:
            try:
                return self._get(getattr(self._actor, method).remote(*arguments))
            except ActorUnavailableError as error:
                if time.monotonic() - began > SILENCE_SECONDS:
                    where = f"node {self._node} could not be reached for {SILENCE_SECONDS:.0f} s"
                    raise _DeadError(where) from error
                time.sleep(1)

    def _get(self, reference: Any) -> Any:
        try:
            return ray.get(reference)
        except ActorUnavailableError:
            raise
        except RayTaskError as error:
            raise ThalwegError(f"node {self._node}: {brief(error.cause)}") from error
        except RayError as error:
            raise _DeadError(self._loss()) from error

    def _loss(self) -> str:
        nodes = {node["NodeID"]: node["Alive"] for node in ray.nodes()}
        if not nodes.get(self._node_id, True):
            return f"node {self._node} was lost"
        return f"its Ray worker on node {self._node} has ended"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _gpus(resources: Resources) -> float:
    """Return what part of a GPU a worker has."""
    if resources.device != "cuda":
        return 0.0
    gpus: float = ray.cluster_resources().get("GPU", 0.0)
    return min(1.0, gpus / resources.jobs)


ray.cloudpickle.register_pickle_by_value(ray_node)
