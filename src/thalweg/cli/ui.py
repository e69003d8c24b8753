"""The command that shows results in a browser: ui."""

import os
from importlib.util import find_spec
from typing import Annotated

import typer

from thalweg import api
from thalweg.cli.parameters import Out
from thalweg.errors import InputError
from thalweg.store import Store

NEEDED = ("starlette", "uvicorn")


def ui(
    out: Out = api.DEFAULT_OUT,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on; other machines reach 0.0.0.0, with a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="By default 8899, or the next that is free."),
    ] = None,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", help="What a reader must have; made up where other machines may read."
        ),
    ] = None,
) -> None:
    """Show studies and runs in a browser, while they train and afterwards; Ctrl-C ends it."""
    if any(find_spec(name) is None for name in NEEDED):
        raise InputError("thalweg ui: needs two more packages: pip install 'thalweg[ui]'")
    if token == "":
        raise InputError("--token '': must not be empty; leave it out to have one made")
    store = Store(out)
    from thalweg.ui.server import claim, serve  # imports what only this command needs

    serve(store, claim(host, port, token), opened, _tell)
    os._exit(0)  # at once: what is still being read for a page is of no use any more


def _tell(url: str) -> None:
    print(f"thalweg ui: {url} (Ctrl-C ends it)", flush=True)
