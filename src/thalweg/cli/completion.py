"""Completion in a shell: what may follow on a command line, told without importing PyTorch.

The commands, their options and the names that they take are written down once, into the user's
cache, and again whenever a file of the package has changed. From that a command line of the same
shape is made whose commands do nothing; Typer completes it as it would complete the real one.
"""

import inspect
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

Described = dict[str, Any]

PACKAGE = Path(__file__).parent.parent

NAMES = {
    "task": "tasks",
    "model": "models",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "method": "sparsities",
    "criterion": "criteria",
    "scope": "scopes",
    "probe": "probes",
    "kind": "kinds",
    "key": "keys",
    "metric": "metrics",
}
"""Registered names that a parameter takes, by its own."""

READ_STUDIES = ("run", "audit")
"""Commands whose study is a file or a recipe."""


def complete() -> None:
    """Answer the shell that asks by the environment."""
    stub(described())(prog_name="thalweg")


def described() -> Described:
    """Return what the commands take, from the cache if nothing has changed since."""
    stamp = _stamp()
    path = _cache()
    try:
        found: Described = json.loads(path.read_text(encoding="utf-8"))
        if found["stamp"] == stamp:
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or not ours
    found = {"stamp": stamp, **describe()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(found), encoding="utf-8")
        aside.replace(path)
    except OSError:
        pass  # completion is slow then, but completes
    return found


def describe() -> Described:
    """Return what the commands take, by importing them all."""
    from thalweg.cli.catalogue import Kind, listed
    from thalweg.cli.commands import app
    from thalweg.study.target_options import Targets
    from thalweg.writing.explain import explained, is_key

    kinds = (kind for kind in Kind if kind in NAMES.values())
    names = {kind.value: [row["name"] for row in listed(kind)] for kind in kinds}
    names |= {
        "kinds": [kind.value for kind in Kind],
        "keys": [*explained()],
        "set": [key for key in explained() if is_key(key)],
        "metrics": [*Targets.model_fields],
    }
    return {"names": names, "commands": _command(typer.main.get_command(app))["commands"]}


def _command(command: Any) -> Described:
    """Return what a command, or a group of them, takes."""
    parameters = [
        {
            "name": each.name,
            "options": [*each.opts, *each.secondary_opts] if _is_option(each) else [],
            "flag": bool(getattr(each, "is_flag", False)),
            "many": each.multiple or each.nargs == -1,
            "help": getattr(each, "help", None) or "",
        }
        for each in command.params
        if each.name != "help"
    ]
    inner = getattr(command, "commands", {})
    return {
        "help": (command.help or "").partition("\n")[0],
        "parameters": parameters,
        "commands": {name: _command(each) for name, each in inner.items()},
    }


def _is_option(parameter: Any) -> bool:
    return str(parameter.param_type_name) == "option"


def stub(described: Described) -> typer.Typer:
    """Return a command line of the same shape, whose commands do nothing."""
    app = typer.Typer()
    app.callback()(lambda: None)
    for name, each in described["commands"].items():
        if each["commands"]:
            inner = stub({"names": described["names"], "commands": each["commands"]})
            app.add_typer(inner, name=name, help=each["help"])
        else:
            app.command(name, help=each["help"])(_nothing(name, each, described["names"]))
    return app


def _nothing(command: str, described: Described, names: Described) -> Callable[..., None]:
    """Return a function with a command's parameters that does nothing."""

    def nothing(**_: object) -> None:
        pass

    parameters = []
    for each in described["parameters"]:
        kind: Any = bool if each["flag"] else list[str] if each["many"] else str
        values = _values(command, each["name"], names)
        said: Any = (
            typer.Option(*each["options"], help=each["help"], autocompletion=values)
            if each["options"]
            else typer.Argument(help=each["help"], autocompletion=values)
        )
        parameters.append(
            inspect.Parameter(
                each["name"],
                inspect.Parameter.KEYWORD_ONLY,
                default=False if each["flag"] else None,
                annotation=Annotated[kind, said],
            )
        )
    nothing.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    nothing.__annotations__ = {each.name: each.annotation for each in parameters}
    return nothing


def _values(
    command: str, parameter: str, names: Described
) -> Callable[[typer.Context, str], list[str]]:
    """Return what completes a parameter of a command."""

    def values(ctx: typer.Context, incomplete: str) -> list[str]:
        found = _candidates(command, parameter, names, ctx.params)
        return [each for each in found if each.startswith(incomplete)]

    return values


def _candidates(
    command: str, parameter: str, names: Described, given: dict[str, Any]
) -> Iterator[str]:
    if parameter in ("study", "what") and command in READ_STUDIES:
        yield from _recipes()
        yield from map(str, sorted(Path().glob("*.toml")))
    if parameter == "study" or command == "audit":
        yield from _studies(given.get("out"))
    elif parameter in NAMES:
        yield from names[NAMES[parameter]]
    elif parameter == "preset":
        yield from ("full", *_read(_named_study()).get("presets", {}))
    elif parameter == "arms":
        yield from _arms(given.get("out"), given.get("study"))
    elif parameter == "overrides":
        yield from (f"{key}=" for key in names["set"])
    elif parameter == "device":
        yield from ("auto", "cpu", "cuda")
    elif parameter == "backend":
        yield from ("auto", "native", "autograd")


def _named_study() -> str | None:
    """Return the study that the command line names. An option whose value is still to come keeps
    Click from telling the arguments, so they are looked up here.
    """
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    studies = _recipes()
    return next((w for w in line.split()[2:] if w in studies or w.endswith(".toml")), None)


def _recipes() -> list[str]:
    return sorted(path.stem for path in (PACKAGE / "recipes").glob("*.toml"))


def _folder(out: str | None) -> Path:
    return Path(out or os.environ.get("THALWEG_OUT") or "thalweg-out")


def _studies(out: str | None) -> list[str]:
    """Return the names of the studies of a results folder; one at a URL is not asked."""
    return sorted(path.parent.name for path in _folder(out).glob("studies/*/study.json"))


def _arms(out: str | None, study: str | None) -> list[str]:
    studies = [study] if study else _studies(out)
    if len(studies) != 1:
        return []
    return [*_read(str(_folder(out) / "studies" / studies[0] / "study.toml")).get("arms", {})]


def _read(study: str | None) -> Described:
    """Return the table of a study file or recipe, an empty one if it cannot be read."""
    recipe = PACKAGE / "recipes" / f"{study}.toml"
    try:
        return tomllib.loads((recipe if study in _recipes() else Path(study or "")).read_text())
    except (OSError, ValueError):
        return {}


def _stamp() -> str:
    """Return what changes when a file of the package does."""
    times = [path.stat().st_mtime_ns for path in PACKAGE.rglob("*.py")]
    return f"{PACKAGE} {len(times)} {max(times)}"


def _cache() -> Path:
    """Return the file of the cache, where the system keeps such."""
    usual = {"nt": os.environ.get("LOCALAPPDATA")}.get(os.name) or "~/.cache"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or usual).expanduser()
    return folder / "thalweg" / "completion.json"
