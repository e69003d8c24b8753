"""Commands that compare the arms of a study: compare, power."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from thalweg import api
from thalweg.cli.output import print_json, print_table
from thalweg.cli.parameters import Json, Out, value
from thalweg.errors import InputError
from thalweg.store import Store

Study = Annotated[
    str | None,
    typer.Option("--study", help="A study's name; may be left out if there is one only."),
]
Metric = Annotated[
    str | None,
    typer.Option("--metric", help="A loss or accuracy; test accuracy, or test loss, if absent."),
]


def compare(
    arms: Annotated[
        list[str] | None, typer.Argument(help="Names of two arms or more; all if absent.")
    ] = None,
    study: Study = None,
    metric: Metric = None,
    target: Annotated[
        Any,
        typer.Option(
            "--target",
            parser=value,
            metavar="FIGURE|ARM",
            help="Also what it costs to reach a figure of the metric, or an arm's median.",
        ),
    ] = None,
    out: Out = api.DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Compare arms two by two over their common seeds, and say what is resolved."""
    results = _results(study, out)
    found = results.compare(*(arms or ()), metric=metric)
    reached, costs = ([], []) if target is None else _reach(results, arms or [], metric, target)
    if as_json:
        costs_by_unit = [asdict(cost) for cost in costs]
        print_json({**found.records(), "reached": reached, "costs": costs_by_unit})
        return
    print_table(found.rows())
    print_table(found.arm_rows())
    if costs:
        from thalweg.report.time_to_target import cost_rows  # imports Matplotlib

        print_table(cost_rows(costs))
    print("\n".join([*found.verdict.splitlines(), *reached, *found.notes]))


def power(
    effect: Annotated[
        Any,
        typer.Option(
            "--effect",
            parser=value,
            metavar="X",
            help="Difference to resolve: percentage points for an accuracy, else a loss.",
        ),
    ],
    study: Study = None,
    metric: Metric = None,
    arms: Annotated[
        tuple[str, str] | None, typer.Option("--arms", help="Two arms; all pairs if absent.")
    ] = None,
    wanted: Annotated[
        Any,
        typer.Option(
            "--power", parser=value, metavar="P", help="Probability of resolving it (0.8)."
        ),
    ] = 0.8,
    out: Out = api.DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Tell how many seeds resolve a difference, by the spread of the differences so far."""
    for option, given in (("--effect", effect), ("--power", wanted)):
        if not isinstance(given, int | float) or isinstance(given, bool):
            raise InputError(f"{option} {given!r}: must be a number")
    results = _results(study, out)
    found = results.power(effect, *(arms or ()), metric=metric, power=wanted)
    if as_json:
        print_json(found.records())
    else:
        print(found.verdict)


def _results(study: str | None, out: Any) -> api.Results:
    store = Store(out)
    names = store.studies()
    if study is None and len(names) != 1:
        raise InputError(
            f"{out}: holds {len(names)} studies; name one with --study (allowed: "
            f"{', '.join(names) or 'none'})"
        )
    return api.Results(study or names[0], store, {})


def _reach(results: api.Results, arms: list[str], metric: str | None, target: Any) -> Any:
    from thalweg.report.time_to_target import reach_target  # imports Matplotlib

    return reach_target(results.load(), arms, metric, target)
