"""The command line: thin commands over the other rooms."""

import sys
import warnings
from typing import Annotated, TextIO

import typer

import thalweg
from thalweg.cli import (
    audit,
    catalogue,
    compare,
    connect,
    data,
    export,
    import_,
    inspect,
    lr_find,
    measure,
    overlap,
    prune,
    run,
    sweep,
    verify,
)
from thalweg.errors import ThalwegError
from thalweg.registry import trusting
from thalweg.store.files import DamageWarning
from thalweg.store.place import settling_at_end

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How do the optimizer, its step size and sparsity shape what a neural network learns?",
)
app.command()(run.demo)
app.command()(run.run)
app.command()(run.train)
app.command()(sweep.sweep)
app.command("lr-find")(lr_find.lr_find)
app.command()(prune.prune)
app.command()(inspect.show)
app.command()(inspect.query)
app.command()(inspect.report)
app.command()(audit.audit)
app.command()(verify.verify)
app.command()(compare.compare)
app.command()(compare.power)
app.command()(measure.measure)
app.command()(connect.connect)
app.command()(overlap.overlap)
app.command()(export.export)
app.command("import")(import_.import_)
app.command("list")(catalogue.list_names)
app.command()(catalogue.doctor)
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"thalweg {thalweg.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Thalweg."""


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 the work failed, 2 the input was wrong."""
    with warnings.catch_warnings(), trusting(False):
        warnings.simplefilter("default", DamageWarning)  # each once
        warnings.showwarning = _show_warning
        status = 0
        try:
            with settling_at_end():
                status = _run()
        except ThalwegError as error:
            told = _tell(error)
            status = status or told
        if status:
            sys.exit(status)


def _run() -> int:
    try:
        app(prog_name="thalweg")
    except ThalwegError as error:
        return _tell(error)
    except SystemExit as end:  # as every command does
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _tell(error: ThalwegError) -> int:
    print(f"thalweg: {error}", file=sys.stderr)
    return error.exit_status


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show damage in a sentence, and any other warning as Python does."""
    if issubclass(category, DamageWarning):
        text = f"thalweg: {message}\n"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    print(text, end="", file=file or sys.stderr)
