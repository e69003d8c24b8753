"""Conditions: sparsities that stand beside each other in a study, an arm each.

A list in ``[sparsity]`` is not a grid to choose from, as a list of learning rates is: how sparse a
network may be is part of the question. So each value makes an arm of its own, and so does every
control that is asked for beside a ticket.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from thalweg.sparsity import ROUNDS, RoundsOptions
from thalweg.sparsity.options import own_criterion
from thalweg.study.axes import expand_sparsities, label
from thalweg.validation import validate

Table = dict[str, Any]


def expand_conditions(arm: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Yield the arms that an arm's table stands for: their names, and their tables.

    Raises:
        InputError: The sparsity's options are wrong.
    """
    for axes, filled in expand_sparsities(table):
        name = f"{arm} {label(axes)}".rstrip()
        yield name, filled
        yield from _controls(name, filled)


def _controls(arm: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Yield the controls beside a ticket."""
    sparsity = table.get("sparsity")
    if not isinstance(sparsity, Mapping) or sparsity.get("name") != ROUNDS:
        return
    own = {key: value for key, value in sparsity.items() if key not in ("name", "controls")}
    given = {**own, "controls": sparsity.get("controls", [])}
    own_criterion(given)
    options = validate(RoundsOptions, given, "sparsity")
    for control in options.controls:
        if control == "dense":
            yield f"{arm} dense", _dense(table, options)
        else:
            yield (
                f"{arm} {control}",
                {**table, "sparsity": {"name": ROUNDS, **own, "control": control}},
            )


def _dense(table: Mapping[str, Any], options: RoundsOptions) -> Table:
    """Return the table of the dense network trained for as many epochs as all of the rounds."""
    rest = {key: value for key, value in table.items() if key != "sparsity"}
    train = table.get("train")
    if not isinstance(train, Mapping) or type(train.get("epochs")) is not int:
        return rest  # the run's spec will say what is wrong
    epochs = train["epochs"]
    begun = options.start.count if options.start.unit == "epoch" else 0
    return {**rest, "train": {**train, "epochs": epochs + len(options.keep) * (epochs - begun)}}
