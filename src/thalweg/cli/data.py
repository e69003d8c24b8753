"""Commands about data sets: status, fetch, verify."""

from typing import Annotated

import typer

from thalweg.cli.examples import with_examples
from thalweg.cli.output import print_json, print_table
from thalweg.cli.parameters import Data, Json
from thalweg.data import fetch as fetching
from thalweg.data import status as checking

app = typer.Typer(no_args_is_help=True, help="Find, fetch and verify the data sets.")

COLUMNS = ["name", "available", "verified", "where", "error"]


@app.command(epilog=with_examples("thalweg data status"))
def status(data: Data = None, as_json: Json = False) -> None:
    """Show which data sets are here, and where."""
    rows = checking.status(data)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS)


@app.command(epilog=with_examples("thalweg data fetch fashion-mnist"))
def fetch(
    name: Annotated[str, typer.Argument(help="A data set's name.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Download a data set from its official mirrors and verify it."""
    path = fetching.fetch(name, data)
    if as_json:
        print_json({"name": name, "where": str(path)})
    else:
        print(f"{name}: {path}")


@app.command(epilog=with_examples("thalweg data verify", "thalweg data verify mnist --json"))
def verify(
    name: Annotated[str | None, typer.Argument(help="A data set's name; all if absent.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Check the content of the data sets against their published hashes."""
    rows = checking.verify(name, data)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS)
