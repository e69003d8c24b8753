"""The application on a port of this machine."""

import errno
import ipaddress
import secrets
import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import uvicorn

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.ui.app import application
from thalweg.ui.guard import LOOPBACK
from thalweg.ui.views import VIEWS

PORT = 8899

PORTS_TRIED = 20
"""Ports from `PORT` on that are tried where none was asked for."""

STOP_SECONDS = 2
"""Time that answers under way have when the server is stopped."""


@dataclass(frozen=True)
class Place:
    """Where the application is to be reached.

    Attributes:
        socket: Bound to its address.
        url: Address to open, with the token if there is one.
        token: What a reader must have; None for anyone on this machine.
        local: Whether it is reached from this machine alone.
    """

    socket: socket.socket
    url: str
    token: str | None
    local: bool


def claim(host: str, port: int | None, token: str | None) -> Place:
    """Bind an address. On one that other machines reach, a token is made where none is given.

    Args:
        host: Name or number of this machine.
        port: The port; None for `PORT` or the next that is free.
        token: What a reader must have.

    Raises:
        InputError: There is no such host, the port is taken or not allowed.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise InputError(
            f"--host {host}: is no address of this machine; give 127.0.0.1, or 0.0.0.0 for all"
        ) from None
    family, _, _, _, where = found[0]
    number = str(where[0])
    bound = _bound(family, number, host, port)
    local = ipaddress.ip_address(number.partition("%")[0]).is_loopback
    if token is None and not local:
        token = secrets.token_urlsafe(24)
    shown = socket.gethostname() if ipaddress.ip_address(number).is_unspecified else host
    shown = f"[{shown}]" if ":" in shown else shown
    query = f"?token={quote(token, safe='')}" if token else ""
    return Place(bound, f"http://{shown}:{bound.getsockname()[1]}/{query}", token, local)


def _bound(family: int, number: str, host: str, port: int | None) -> socket.socket:
    last = PORT + PORTS_TRIED - 1
    for candidate in [port] if port is not None else range(PORT, last + 1):
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((number, candidate))
            bound.listen(128)
        except OSError as error:
            bound.close()
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            if error.errno == errno.EADDRINUSE:
                raise InputError(
                    f"--port {port}: is taken by another program; choose another, or none for the "
                    "next that is free"
                ) from None
            if error.errno == errno.EACCES:
                raise InputError(
                    f"--port {candidate}: is not allowed; choose one from 1024 to 65535"
                ) from None
            raise InputError(
                f"--host {host}: is no address of this machine; give 127.0.0.1, or 0.0.0.0 for all"
            ) from None
        return bound
    raise InputError(f"--port: all from {PORT} to {last} are taken; choose another")


def serve(store: Store, place: Place, opened: bool, tell: Callable[[str], None]) -> None:
    """Answer until Ctrl-C.

    Args:
        store: What is shown.
        place: Where.
        opened: Open it in a browser too.
        tell: Is given the address, when it can be opened.
    """
    port = place.socket.getsockname()[1]
    hosts = (*LOOPBACK, str(place.socket.getsockname()[0])) if place.local else None
    app = application(store, VIEWS, hosts, place.token, f"thalweg-{port}")
    config = uvicorn.Config(
        app,
        log_level="error",
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    tell(place.url)  # the socket listens: who opens it now waits for the first answer
    if opened:
        webbrowser.open(place.url)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[place.socket])
    except KeyboardInterrupt:  # as uvicorn passes it on when it has stopped
        pass
    finally:
        place.socket.close()
