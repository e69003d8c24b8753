"""Every command, with examples, and how the command line runs and fails."""

import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, TextIO

import typer

import thalweg
from thalweg.cli import (
    audit,
    catalogue,
    compare,
    connect,
    data,
    explain,
    export,
    import_,
    init,
    inspect,
    lr_find,
    measure,
    overlap,
    prune,
    run,
    schema,
    sweep,
    ui,
    verify,
)
from thalweg.cli.examples import with_examples
from thalweg.errors import ThalwegError
from thalweg.registry import trusting
from thalweg.store.files import DamageWarning
from thalweg.store.place import settling_at_end
from thalweg.trackers import TrackingWarning

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How do the optimizer, its step size and sparsity shape what a neural network learns?",
)


def _add(command: Callable[..., Any], *examples: str, name: str | None = None) -> None:
    app.command(name, epilog=with_examples(*examples))(command)


_add(run.demo, "thalweg demo")
_add(
    init.init,
    "thalweg init study.toml",
    "thalweg init --yes --task fashion-mnist --model lenet5 --optimizer sgd,adam",
)
_add(
    run.run,
    "thalweg run study.toml --dry-run",
    "thalweg run demo --seeds 5 --set train.epochs=5",
    "thalweg run study.toml --until-resolved --max-seeds 40",
    "thalweg run study.toml --track tensorboard:logs --track wandb",
)
_add(
    run.train,
    "thalweg train lenet5 fashion-mnist --optimizer sgd --lr 0.1 --epochs 5",
    "thalweg train mynet:Net digits --optimizer torch.optim:Adam --lr 1e-3",
)
_add(
    sweep.sweep,
    "thalweg sweep mlp digits --optimizer sgd --lr 1e-3..1:8 --seeds 5",
    "thalweg sweep mlp digits --search random --lr 1e-4..1:log --trials 20",
)
_add(lr_find.lr_find, "thalweg lr-find lenet5 fashion-mnist --optimizer sgd", name="lr-find")
_add(
    prune.prune,
    "thalweg prune lenet5 fashion-mnist --target 0.8 --rounds 5 --rewind epoch:1",
)
_add(inspect.show, "thalweg show", "thalweg show demo --json")
_add(
    inspect.query,
    'thalweg query "SELECT run, test_accuracy FROM runs ORDER BY 2 DESC LIMIT 5"',
)
_add(ui.ui, "thalweg ui", "thalweg ui --out results --port 9000 --no-open")
_add(inspect.report, "thalweg report demo", "thalweg report demo --to docs/results/demo")
_add(audit.audit, "thalweg audit study.toml", "thalweg audit demo --rerun 1")
_add(verify.verify, "thalweg verify", "thalweg verify --repair")
_add(
    compare.compare,
    "thalweg compare sgd adam --study demo",
    "thalweg compare --study demo --target 0.9",
)
_add(compare.power, "thalweg power --effect 0.2 --study demo --arms sgd adam")
_add(
    measure.measure,
    "thalweg measure demo/sgd/0 --probe hessian --top 3",
    "thalweg measure weights.pt --model lenet5 --task fashion-mnist",
)
_add(connect.connect, "thalweg connect demo/sgd/0 demo/sgd/1 --align")
_add(overlap.overlap, "thalweg overlap pruning/one-shot/0 mask.pt")
_add(
    export.export,
    "thalweg export pruning/one-shot/0 --to exported --sparse",
    "thalweg export --study lottery",
    "thalweg export --study lottery --as mlflow --to http://127.0.0.1:5000",
)
_add(
    import_.import_,
    "thalweg import results --study theirs",
    "thalweg import mlruns --study ours --task digits",
    name="import",
)
_add(catalogue.list_names, "thalweg list optimizers", "thalweg list tasks --json", name="list")
_add(
    explain.explain_key,
    "thalweg explain train.clip_norm",
    "thalweg explain optimizer.adam.beta1",
    "thalweg explain adam --json",
    name="explain",
)
_add(schema.schema, "thalweg schema --out thalweg.schema.json")
_add(catalogue.doctor, "thalweg doctor")
app.add_typer(data.app, name="data", epilog=with_examples("thalweg data fetch mnist"))


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


def run_command_line() -> None:
    """Run the command that the arguments of the program give."""
    with warnings.catch_warnings(), trusting(False):
        for kind in (DamageWarning, TrackingWarning):
            warnings.simplefilter("default", kind)  # each once
        warnings.showwarning = _show_warning
        status = 0
        try:
            with settling_at_end():
                status = _run()
        except ThalwegError as error:
            told = _tell(error)
            status = status or told
        except KeyboardInterrupt:
            print(
                "thalweg: stopped while results were put to their URL; the next command with it "
                "puts the rest there",
                file=sys.stderr,
            )
            status = 130  # as of commands that Ctrl-C ends
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
    """Show damage and a tracker's failure in a sentence, any other warning as Python does."""
    if issubclass(category, DamageWarning | TrackingWarning):
        text = f"thalweg: {message}\n"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    print(text, end="", file=file or sys.stderr)
