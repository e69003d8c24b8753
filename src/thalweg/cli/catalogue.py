"""Commands that tell what there is: list, doctor."""

from enum import StrEnum
from textwrap import fill
from typing import Annotated, Any

import torch
import typer
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from thalweg.audit import CHECKS
from thalweg.cli.output import print_json, print_table
from thalweg.cli.parameters import Data, Json
from thalweg.cohort.planner import available_cores, plan
from thalweg.data import TASKS
from thalweg.data.augmentation import AUGMENTATIONS
from thalweg.data.status import status
from thalweg.execute import Resources
from thalweg.execute.models import find_traits
from thalweg.measure import PROBES
from thalweg.measure.dynamics.instruments import INSTRUMENTS, PRESETS
from thalweg.models import INITS, MODELS
from thalweg.native import variants
from thalweg.optim import OPTIMIZERS
from thalweg.optim.averaging import AVERAGES
from thalweg.optim.method import Method
from thalweg.optim.needs import NEEDS
from thalweg.optim.rule import Rule
from thalweg.optim.schedules import SCHEDULES
from thalweg.registry import Registry
from thalweg.sparsity import CRITERIA, SCOPES, SPARSITIES
from thalweg.spec import Named
from thalweg.store.provenance import machine, source_hash, versions
from thalweg.study.source import parse_study, recipes
from thalweg.validation import Options


class Kind(StrEnum):
    """What can be listed."""

    tasks = "tasks"
    models = "models"
    inits = "inits"
    optimizers = "optimizers"
    schedules = "schedules"
    augmentations = "augmentations"
    averages = "averages"
    sparsities = "sparsities"
    criteria = "criteria"
    scopes = "scopes"
    probes = "probes"
    instruments = "instruments"
    recipes = "recipes"
    audits = "audits"


def list_names(kind: Annotated[Kind, typer.Argument()], as_json: Json = False) -> None:
    """List what there is of one kind."""
    rows = listed(kind)
    if as_json:
        print_json(rows)
    elif kind is Kind.optimizers:
        _print_optimizers(rows)
    elif kind in (Kind.instruments, Kind.audits):
        print_table(rows)
    else:
        shown = [{**row, "options": _options_text(row["options"])} for row in rows]
        print_table(shown, ["name", "summary", "options"])


def listed(kind: Kind) -> list[dict[str, Any]]:
    """Return what there is of one kind, by its name, summary and options."""
    if kind is Kind.recipes:
        found = {name: parse_study(text, name) for name, text in recipes().items()}
        return [
            {
                "name": name,
                "summary": table["study"]["title"],
                "options": {"preset": ["full", *table.get("presets", {})]},
            }
            for name, table in found.items()
        ]
    if kind is Kind.audits:
        return [
            {
                "name": check.name,
                "summary": check.summary,
                "studies": check.of_plan is not None,
                "results": check.of_study is not None or check.name == "rerun",
                "folders": check.of_folder is not None,
            }
            for check in CHECKS.values()
        ]
    if kind is Kind.instruments:
        return [
            {
                "name": each.name,
                "summary": each.summary,
                "gradients a look": each.cost,
                "presets": ", ".join(
                    p for p, own in PRESETS.items() if each.name in own.instruments
                ),
            }
            for each in INSTRUMENTS.values()
        ]
    if kind is Kind.inits:
        own = {"name": "default", "summary": "the model's own", "options": {}}
        named = [
            {"name": name, "summary": options.summary, "options": _options(options)}
            for name, options in INITS.items()
        ]
        return [own, *named]
    registries: dict[Kind, Registry[Any]] = {
        Kind.tasks: TASKS,
        Kind.models: MODELS,
        Kind.optimizers: OPTIMIZERS,
        Kind.schedules: SCHEDULES,
        Kind.augmentations: AUGMENTATIONS,
        Kind.averages: AVERAGES,
        Kind.sparsities: SPARSITIES,
        Kind.criteria: CRITERIA,
        Kind.scopes: SCOPES,
        Kind.probes: PROBES,
    }
    rows = []
    for entry in registries[kind]:
        row = {"name": entry.name, "summary": entry.summary, "options": _options(entry.options)}
        if isinstance(entry.target, Rule | Method):
            row |= _traits(entry.target)
        rows.append(row)
    return rows


def _traits(target: Rule | Method) -> dict[str, Any]:
    """Return what an optimizer is and what it asks for."""
    return {
        "family": target.family,
        "ranges": {
            name: allowed
            for name, field in target.options.model_fields.items()
            if (allowed := _range(field))
        },
        "needs": sorted(target.needs),
        "gradients a step": target.gradients if isinstance(target, Method) else "1",
        "stacks": target.stacks if isinstance(target, Method) else True,
        "source": target.source,
    }


def _range(field: FieldInfo) -> str:
    """Return the bounds of a hyperparameter: "> 0, < 1"."""
    signs = {Gt: ("gt", ">"), Ge: ("ge", "≥"), Lt: ("lt", "<"), Le: ("le", "≤")}
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for kind, (name, sign) in signs.items()
        if isinstance(bound, kind)
    ]
    return ", ".join(bounds)


def _print_optimizers(rows: list[dict[str, Any]]) -> None:
    """Print an optimizer a paragraph: they have too many columns for a table."""
    for family in dict.fromkeys(row["family"] for row in rows):
        print(f"\n{family.upper()}")
        for row in (row for row in rows if row["family"] == family):
            ranges = row["ranges"]
            options = [
                f"{name} = {value}" + (f" ({ranges[name]})" if name in ranges else "")
                for name, value in row["options"].items()
            ]
            needs = [f"needs {NEEDS[need]}" for need in row["needs"]]
            gradients = f"gradients a step: {row['gradients a step']}"
            stacks = "runs share a cohort" if row["stacks"] else "each run trains alone"
            print(f"  {row['name']}: {row['summary']}")
            for line in (", ".join(options), "; ".join([gradients, stacks, *needs]), row["source"]):
                print(fill(line, 96, initial_indent=" " * 6, subsequent_indent=" " * 8))
    print("\nEvery torch.optim class goes by torch.optim:NAME, any other by package.module:NAME.")


def _options(options: type[Options] | None) -> dict[str, Any]:
    """Return the defaults by option; "required" where there is none."""
    fields = options.model_fields.items() if options is not None else ()
    return {
        name: "required" if field.is_required() else field.get_default()
        for name, field in fields
        if name != "name"
    }


def _options_text(options: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in options.items())


def doctor(data: Data = None, as_json: Json = False) -> None:
    """Tell what this installation, machine and data can do."""
    resources = Resources.choose(data=data)
    backends = []
    for model in ("mlp", "lenet5", "lenet5-tanh", "rnn"):
        traits = find_traits(Named("digits", {"size": 28}), Named(model, {}), data)
        device = torch.device(resources.device)
        chosen = plan(traits, 64, 20, resources.jobs, device, alone=False)
        backends.append(
            {
                "model": model,
                "parameters": traits.parameters,
                "backend": chosen.backend,
                "rows": chosen.rows,
                "reason": chosen.reason,
                "not native because": traits.unchained,
            }
        )
    found = {
        "versions": versions(),
        "source": source_hash(),
        "machine": machine(),
        "cores": available_cores(),
        "device": resources.device,
        "processes": resources.jobs,
        "threads": resources.threads,
        "kernels": variants(),
        "data": status(data),
        "backends": backends,
    }
    if as_json:
        print_json(found)
        return
    print_table([{"what": key, "version": value} for key, value in versions().items()])
    described = machine()
    print(f"processor  {described['processor']}, {available_cores()} cores usable")
    print(f"gpu        {described['gpu'] or 'none that PyTorch can use'}")
    print(f"kernels    {', '.join(variants()) or 'not built: everything runs on autograd'}")
    print(
        f"training   {resources.jobs} processes of {resources.threads} threads "
        f"on {resources.device}\n"
    )
    print_table(status(data), ["name", "available", "verified", "where", "error"])
    print("how 20 runs with batches of 64 would be computed:")
    print_table(backends)
