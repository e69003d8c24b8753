"""The command that writes a study to begin with: init."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from thalweg.cli.lr_find import RAMP, ramp_guess
from thalweg.cli.output import print_json, prints_aside
from thalweg.cli.parameters import Data, Json, value
from thalweg.cli.run import study_table
from thalweg.cli.schema import schema_text
from thalweg.data import TASKS, load_task
from thalweg.data.sources import SOURCES
from thalweg.errors import InputError
from thalweg.execute import Resources
from thalweg.models import MODELS, build_model
from thalweg.optim import OPTIMIZERS
from thalweg.registry import LIBRARIES, vouch
from thalweg.store.files import write_whole
from thalweg.study import build_study
from thalweg.study.ranges import Range, is_range, parse_range
from thalweg.study.seeds import seed_list
from thalweg.study.source import parse_study
from thalweg.writing.template import (
    SCHEMA_FILE,
    Answers,
    arm_names,
    model_table,
    study_file,
    task_table,
    usual_epochs,
    usual_rates,
)

T = TypeVar("T")

FIND_POINTS = 5
"""Learning rates of a grid that a ramp suggests."""

Rate = float | Sequence[float] | Range | None


@dataclass(frozen=True)
class _Asker:
    """Asks on the terminal, unless the answer was given or all are to be taken as usual."""

    yes: bool

    def ask(self, given: str | None, question: str, usual: str, read: Callable[[str], T]) -> T:
        """Return what an answer stands for; a wrong one is asked for again.

        Raises:
            InputError: A given answer is wrong, or there is nobody to answer.
        """
        if given is not None or self.yes:
            return read(usual if given is None else given)
        print(question)
        while True:
            try:
                answer = input(f"    [{usual}] ").strip()
            except EOFError:
                raise InputError(
                    "the questions were not answered to the end, so nothing was written; give "
                    "--yes, or the answers as options"
                ) from None
            try:
                return read(answer or usual)
            except InputError as error:
                print(f"    {error}")


def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("study.toml"),
    task: Annotated[
        str | None, typer.Option("--task", help="Answer to the first question.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Answer to the second.")] = None,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", metavar="NAME,…", help="Answer to the third.")
    ] = None,
    lr: Annotated[
        str | None,
        typer.Option(
            "--lr", metavar="X,…", help="Answer to the fourth: values, LOW..HIGH:N, usual or find."
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="N", help="Answer to the fifth.")
    ] = None,
    epochs: Annotated[
        Any,
        typer.Option(
            "--epochs", parser=value, metavar="N", help="Passes over the data; by task if absent."
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Ask nothing, as --json does; usual answers where none is given."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    with_schema: Annotated[
        bool,
        typer.Option("--schema", help=f"Write {SCHEMA_FILE} beside it too, for editors."),
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Ask five questions and write a study file that runs as it is, with comments."""
    _check_free(file, force)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("-._") or "study"
    asker = _Asker(yes or as_json)
    try:
        answers = _answers(asker, task, model, optimizer, lr, seeds, epochs, data)
    except KeyboardInterrupt:
        print("\nstopped: nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None
    beside = file.with_name(SCHEMA_FILE)
    if with_schema and (force or not beside.exists()):
        write_whole(beside, schema_text())
    text = study_file(name, answers, SCHEMA_FILE if beside.exists() else "")
    with prints_aside():
        plan = build_study(parse_study(text, str(file)))
    write_whole(file, text)
    own = any(
        ":" in each and each.partition(":")[0] not in LIBRARIES
        for each in (answers.task, answers.model, *answers.optimizers)
    )
    command = f"thalweg run {file}{' --trust' if own else ''}"
    if as_json:
        print_json({"file": str(file), "study": name, "runs": len(plan.specs), "next": command})
        return
    arms = len(arm_names(answers.optimizers))
    print(f"wrote {file}: {len(plan.specs)} runs of {'1 arm' if arms == 1 else f'{arms} arms'}")
    print(f"  {command} --dry-run        # the plan, and an estimate of time")
    print(f"  {command} --preset quick   # a quick look")
    print(f"  {command}")


def _check_free(file: Path, force: bool) -> None:
    if file.is_dir():
        raise InputError(f"{file}: is a folder; give the path of a file")
    if file.exists() and not force:
        raise InputError(f"{file}: exists; give --force to overwrite it, or another path")


def _answers(
    asker: _Asker,
    task: str | None,
    model: str | None,
    optimizer: str | None,
    lr: str | None,
    seeds: str | None,
    epochs: Any,
    data: Path | None,
) -> Answers:
    tasks = f"1/5 Task: {', '.join(TASKS.names())}, or package.module:Name"
    chosen_task = asker.ask(task, tasks, "digits", _task)
    models = f"2/5 Model: {', '.join(MODELS.names())}, or package.module:Name"
    usual_model = "lenet5" if chosen_task in SOURCES else "mlp"
    chosen_model = asker.ask(model, models, usual_model, lambda text: _model(text, chosen_task))
    rules = "3/5 Optimizers, with commas between: see thalweg list optimizers"
    chosen = asker.ask(optimizer, rules, "sgd, adam", _optimizers)
    passes = usual_epochs(chosen_task) if epochs is None else epochs
    rates = "4/5 Learning rates: values, a range as 1e-3..1:8, usual, or find (by a ramp)"
    found = asker.ask(
        lr, rates, "usual", lambda text: _rates(text, chosen, chosen_task, chosen_model, data)
    )
    count = asker.ask(seeds, "5/5 Seeds: how often everything is trained", "3", _seeds)
    return Answers(chosen_task, chosen_model, chosen, found, count, passes)


def _task(text: str) -> str:
    vouch(text)
    with prints_aside():
        TASKS[text]
    return text


def _model(text: str, task: str) -> str:
    """Return a model's name, having built it for the inputs of the task, if these are known."""
    vouch(text)
    with prints_aside():
        MODELS[text]
        if task in SOURCES:
            shape: tuple[int, ...] = (1, 28, 28)
            outputs = 10
        elif task in TASKS.names():
            table = task_table(task, text)
            table.pop("name")
            loaded = load_task(task, table)
            shape, outputs = loaded.shape, loaded.outputs
        else:
            return text
        options = model_table(text)
        options.pop("name")
        build_model(text, options, shape, outputs, 0, None)
    return text


def _optimizers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    if not names:
        raise InputError("optimizer: needs a name, or several with commas between")
    for name in names:
        vouch(name)
        with prints_aside():
            OPTIMIZERS[name]
    return names


def _rates(
    text: str, optimizers: Sequence[str], task: str, model: str, data: Path | None
) -> dict[str, Rate]:
    """Return the learning rates of each optimizer."""
    usual = {name: usual_rates(name) for name in optimizers}
    if text == "usual":
        return dict(usual)
    if text == "find":
        return {
            name: rate if rate is None else _found(name, task, model, data) or rate
            for name, rate in usual.items()
        }
    if is_range(text):
        given: Rate = parse_range(text, "lr =")
        if isinstance(given, Range) and given.points is None:
            raise InputError(f"lr = {text!r}: must have a number of points, as in 1e-3..1:8")
    else:
        several = [_rate(part) for part in text.split(",")]
        given = several[0] if len(several) == 1 else several
    return {name: None if rate is None else given for name, rate in usual.items()}


def _rate(text: str) -> float:
    found = value(text.strip())
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 1e30:
        raise InputError(
            f"lr = {text.strip()!r}: must be a number greater than 0, several with commas between, "
            'a range as 1e-3..1:8, "usual" or "find"'
        )
    return float(found)


def _found(optimizer: str, task: str, model: str, data: Path | None) -> Range | None:
    """Return the grid that a ramp of the learning rate suggests; None where it suggests none."""
    ramp = parse_range(RAMP, "lr =")
    table = study_table("init", None, model, task, optimizer, ramp.high, 1, 64, "constant")
    table |= {"task": task_table(task, model), "model": model_table(model)}
    with prints_aside():
        guess, _ = ramp_guess(build_study(table).specs[:1], ramp, Resources.choose("auto", 1, data))
    if guess is None:
        print(f"  {optimizer}: no guess, so the usual grid is taken", file=sys.stderr)
        return None
    print(f"  {optimizer}: the loss falls steepest at {guess.lr:g}", file=sys.stderr)
    return Range(guess.grid.low, guess.grid.high, FIND_POINTS)


def _seeds(text: str) -> int:
    number = value(text)
    try:
        if isinstance(number, list):
            raise ValueError("must be a number of seeds")
        seed_list(number)
    except ValueError as error:
        raise InputError(f"seeds = {text}: {error}") from None
    return int(number)
