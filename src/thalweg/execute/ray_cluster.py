"""The Ray cluster that a study is trained on: how it is joined, and what it has."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.validation import brief

REACH_SECONDS = 10.0
"""The longest wait for a machine that is to be part of the cluster, or its gate."""

_ADDRESS = re.compile(r"(ray://)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})")


@dataclass(frozen=True)
class Cluster:
    """What a cluster has.

    Attributes:
        cores: CPUs of each node.
        gpus: GPUs of all nodes.
    """

    cores: list[int]
    gpus: int

    def share(self, device: str, jobs: int | None) -> tuple[str, int, int]:
        """Fill in what was not asked for, as `Resources.choose` does for one machine.

        Args:
            device: "auto", "cpu" or "cuda".
            jobs: The most processes at a time; more than there is room for wait for nodes to come.

        Returns:
            The device, the processes, and the threads of each: as many as the nodes' CPUs allow.

        Raises:
            InputError: CUDA was asked for and no node has a GPU, or there is no CPU at all.
        """
        if device == "cuda" and self.gpus == 0:
            raise InputError("--device cuda: no node of the cluster has a GPU; use cpu or auto")
        if device == "auto":
            device = "cuda" if self.gpus else "cpu"
        if not any(self.cores):
            raise InputError("--on: the cluster has no node with a CPU for Ray's tasks")
        jobs = jobs or (self.gpus if device == "cuda" else sum(self.cores))
        fitting = [
            threads
            for threads in range(1, max(self.cores) + 1)
            if sum(cores // threads for cores in self.cores) >= jobs
        ]
        return device, jobs, max(fitting, default=1)


def connect(on: str) -> Cluster:
    """Join a cluster, or start one of this machine alone, unless this process is in one already.

    Args:
        on: ``ray`` for the cluster that ``RAY_ADDRESS`` names, or that this machine is a node of,
            or a new one; ``ray://HOST:PORT`` to join one as a client from anywhere; ``HOST:PORT``
            to join one from one of its nodes.

    Raises:
        InputError: Ray is not installed, the address is none, or nothing answers there.
    """
    if on != "ray" and not _is_address(on):
        raise InputError(f"--on {on}: must be ray, ray://HOST:PORT or HOST:PORT")
    # A command that runs a study asks no other host than those of the cluster.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise InputError(f"--on {on}: Ray is not installed; pip install 'thalweg[ray]'") from None
    if not ray.is_initialized():
        _join(ray, on, os.environ.get("RAY_ADDRESS", "") if on == "ray" else on)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [int(node.get("CPU", 0)) for node in nodes]
    return Cluster(cores, int(sum(node.get("GPU", 0) for node in nodes)))


def _join(ray: Any, on: str, address: str) -> None:
    """Join the cluster of an address, or what `connect` says of ``ray`` where it is empty.

    Raises:
        InputError: There is none that can be joined.
    """
    told = f"--on {on}: " if address in ("", on) else f"--on {on}: RAY_ADDRESS = {address!r}: "
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if not address and not (address := _running_here()):
        options |= {"address": "local", "include_dashboard": False}
    elif fault := _unreachable(address):
        raise InputError(f"{told}no Ray cluster can be reached there ({fault})")
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise InputError(f"{told}no Ray cluster can be joined ({brief(error)})") from error


def _is_address(text: str) -> bool:
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match[3]) <= 65535


def _unreachable(address: str) -> str:
    """Return why nothing answers at an address, which Ray would try for minutes; "" if it does."""
    match = _ADDRESS.fullmatch(address)
    if match is None:  # "auto", say
        return ""
    host, port = match[2], int(match[3])
    try:
        socket.create_connection((host.strip("[]"), port), REACH_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    if "RAY_USE_TLS" in os.environ:
        return ""
    import grpc  # a dependency of Ray's client

    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(REACH_SECONDS)
        except grpc.FutureTimeoutError:
            return "what answers is no Ray"
    return ""


def _running_here() -> str:
    """Return the address of the cluster that this machine is a node of; "" where it is of none."""
    note = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    try:
        address = note.read_text().strip()
    except OSError:
        return ""
    return "" if _unreachable(address) else address  # Ray leaves the note where it was killed
