"""Commands of a README that cannot have made the table beside it."""

import ast
import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.scripts import Script, called
from thalweg.audit.read.tables import RATE, number

_COMMAND = re.compile(r"^[>$#\s`]*(?:\w+=\S+\s+)*(python[\d.]*\s+.*?\.py\b[^`\n]*)", re.M)
_RATE_FLAG = re.compile(r"--?(?:lr|learning[_-]?rate|step[_-]?size|eta)")


@dataclass(frozen=True)
class Command:
    """One command of a text: the script's path and the flags with their values."""

    text: str
    path: str
    flags: dict[str, str]


def _of_folder(folder: Folder) -> Iterator[Seen]:
    scripts = {script.name: script for script in folder.scripts}
    for name, text in folder.texts.items():
        for command in _commands(text):
            script = _script(command, name, scripts)
            if script is None:
                if any(path.endswith(".py") for path in scripts):
                    yield Seen(
                        "warning", name, "a command runs a script that is not there", command.text
                    )
                continue
            known = _known_flags(script)
            strange = [flag for flag in command.flags if known and not _knows(known, flag)]
            if strange:
                yield Seen(
                    "severe",
                    name,
                    "a command has flags that its script does not know",
                    f"{command.text}: {script.name} knows no {', '.join(strange)}",
                )
            yield from _of_rate(folder, name, command)


def _of_rate(folder: Folder, name: str, command: Command) -> Iterator[Seen]:
    """Compare the step size of a command with those of the tables beside it."""
    given = [number(value) for flag, value in command.flags.items() if _RATE_FLAG.fullmatch(flag)]
    tables = {table.where: table for table in folder.tables if table.find(RATE)}
    rates = {
        where: {rate for rate in table.numbers(table.find(RATE) or "") if not math.isnan(rate)}
        for where, table in tables.items()
    }
    rates = {where: found for where, found in rates.items() if found}
    for rate in given:
        if not math.isnan(rate) and rates and not any(rate in found for found in rates.values()):
            listed = "; ".join(
                f"{where}: {', '.join(f'{r:g}' for r in sorted(found)[:6])}"
                for where, found in list(rates.items())[:3]
            )
            yield Seen(
                "severe",
                name,
                "a command has a step size that no table beside it has",
                f"{command.text}; {listed}",
            )


def _commands(text: str) -> Iterator[Command]:
    joined = re.sub(r"\\\s*\n\s*", " ", text)
    for match in _COMMAND.finditer(joined):
        line = match[1].strip()
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        index = next((i for i, word in enumerate(words) if word.endswith(".py")), None)
        if index is not None:
            yield Command(line, words[index], _flags(words[index + 1 :]))


def _flags(words: list[str]) -> dict[str, str]:
    flags: dict[str, str] = {}
    for index, word in enumerate(words):
        if re.match(r"--?[A-Za-z]", word):
            flag, _, value = word.partition("=")
            following = words[index + 1] if index + 1 < len(words) else ""
            flags[flag] = value or following
    return flags


def _script(command: Command, text: str, scripts: dict[str, Script]) -> Script | None:
    """Return the script of a command, named from the folder's root or from beside the text."""
    path = PurePosixPath(command.path)
    beside = PurePosixPath(text).parent / path
    return scripts.get(path.as_posix()) or scripts.get(beside.as_posix())


def _known_flags(script: Script) -> set[str]:
    """Return the flags that a script's argparse or click defines; none if it has neither."""
    return {
        argument.value
        for call in ast.walk(script.tree)
        if isinstance(call, ast.Call)
        and called(call).rpartition(".")[2] in ("add_argument", "option", "Option")
        for argument in call.args
        if isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and argument.value.startswith("-")
    }


def _knows(known: set[str], flag: str) -> bool:
    """Return whether a flag is known, or, as argparse allows, the beginning of one."""
    long = flag.startswith("--")
    return any(flag == each or (long and each.startswith(flag)) for each in known)


CHECK = Check(
    "irreproducible-command",
    "a command of a README that cannot have made the table beside it",
    "the table cannot be made again, so that nobody can tell how it came about",
    "give the command that was run, and run it once more before publishing",
    of_folder=_of_folder,
)
