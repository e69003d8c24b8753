"""A study to begin with: a commented file from a few answers."""

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thalweg.optim import OPTIMIZERS
from thalweg.study.ranges import Range, range_text
from thalweg.writing.tables import CHOICES
from thalweg.writing.toml import inline

SCHEMA_FILE = "thalweg.schema.json"
"""What a study file calls the schema beside it."""

SHARES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""A grid of learning rates, as multiples of an optimizer's usual one."""

USUAL_LR = 0.1
"""Learning rate of our own optimizers that have no default: those of the SGD kind."""

FOREIGN_LR = 0.01
"""The same of somebody else's."""

OWN_STEP = 1.0
"""Default of optimizers that find their step size themselves; a grid of it means little."""

EPOCHS = {"digits": 15, "sine": 125, "mnist": 5, "fashion-mnist": 5}


@dataclass(frozen=True)
class Answers:
    """What a study is to be about.

    Attributes:
        task: A task's name.
        model: A model's name.
        optimizers: Optimizers' names, an arm each.
        rates: By optimizer its learning rate, several, or a range; None for one that has none.
        seeds: Number of seeds.
        epochs: Passes over the training split.
    """

    task: str
    model: str
    optimizers: tuple[str, ...]
    rates: Mapping[str, float | Sequence[float] | Range | None]
    seeds: int
    epochs: int


def usual_epochs(task: str) -> int:
    """Return the epochs after which most networks have learnt a task."""
    return EPOCHS.get(task, 10)


def usual_rates(optimizer: str) -> float | list[float] | None:
    """Return a grid around the usual learning rate of an optimizer; one value of those that find
    their step themselves, None of those that have none.
    """
    entry = OPTIMIZERS[optimizer]
    usual: Any = None
    if entry.options is not None:
        field = entry.options.model_fields["lr"]
        usual = USUAL_LR if field.is_required() else field.default
    elif callable(entry.target):
        parameter = inspect.signature(entry.target).parameters.get("lr")
        if parameter is None:
            return None
        usual = parameter.default if isinstance(parameter.default, float) else FOREIGN_LR
    if usual == OWN_STEP:
        return OWN_STEP
    return [float(f"{usual * share:.3g}") for share in SHARES]


def task_table(task: str, model: str) -> dict[str, Any]:
    """Return the task, such that the model fits it and points can be chosen by validation."""
    if task == "digits" and model.startswith("lenet5"):
        return {"name": task, "size": 28}
    return {"name": task, "validation": 20} if task == "sine" else {"name": task}


def arm_names(optimizers: Sequence[str]) -> dict[str, str]:
    """Return by optimizer the name of its arm: the last part of its own, if that is told apart."""
    short = {name: re.sub(r"[^A-Za-z0-9_-]", "-", name.rpartition(":")[2]) for name in optimizers}
    if len({*short.values()}) == len(short):
        return short
    return {name: re.sub(r"[^A-Za-z0-9_-]", "-", name) for name in optimizers}


def study_file(name: str, answers: Answers, schema: str = "") -> str:
    """Return the text of a study file that runs as it is.

    Args:
        name: Name of the study.
        answers: What it is about.
        schema: Path of a JSON Schema, relative to the file; "" for none.
    """
    small = answers.task == "sine"
    header = f"#:schema ./{schema}\n" if schema else ""
    return (
        f"{header}# A study: every arm, at every point of its grid, from every seed.\n"
        "# What a key means: thalweg explain KEY, for instance thalweg explain train.schedule\n\n"
        f"[study]\nname = {json.dumps(name)}{_aside('its results are found by it')}\n"
        f"title = {json.dumps(_title(answers), ensure_ascii=False)}\n"
        f'question = ""{_aside("what you want to know; stands on top of the report")}\n'
        f"seeds = {answers.seeds}{_aside('the same for every arm, so differences are paired')}\n\n"
        f"[task]{_told('task', answers.task)}\n{_lines(task_table(answers.task, answers.model))}\n"
        f"[model]{_told('model', answers.model)}\n{_lines(model_table(answers.model))}\n"
        f"[train]\nepochs = {answers.epochs}\n"
        f"batch_size = {16 if small else 64}{_aside('examples a step')}\n"
        '# schedule = { name = "cosine", warmup_epochs = 1 }'
        f"{_aside('the learning rate is constant without')}\n"
        f"# clip_norm = 1.0{_aside('bound on the norm of the gradient')}\n\n"
        "# The arms are compared with each other. A list is a grid: all its values are trained, and"
        "\n# the best is chosen for each arm by the validation split, never by the test split.\n\n"
        f"{''.join(_arm(*item, answers) for item in arm_names(answers.optimizers).items())}"
        "# A look in advance: --preset quick. Its results are a study of their own.\n\n"
        f"[presets.quick]\nseeds = 1\ntrain.epochs = {min(answers.epochs, 2)}\n"
    )


def _aside(text: str) -> str:
    return f"  # {text}"


def _title(answers: Answers) -> str:
    arms = list(arm_names(answers.optimizers).values())
    compared = f"{', '.join(arms[:-1])} and {arms[-1]}" if len(arms) > 1 else arms[0]
    return f"{compared}: {answers.model} on {answers.task}"


def _told(path: str, name: str) -> str:
    """Return what a name stands for, as a comment."""
    known = CHOICES[path].things.get(name)
    return _aside(known.summary if known else CHOICES[path].reference)


def model_table(model: str) -> dict[str, Any]:
    """Return a model with all its keys, so that they are seen."""
    thing = CHOICES["model"].things.get(model)
    fields = thing.options.model_fields if thing else {}
    return {"name": model, **{key: field.default for key, field in fields.items()}}


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {inline(value)}\n" for key, value in table.items())


def _arm(optimizer: str, arm: str, answers: Answers) -> str:
    rates = answers.rates[optimizer]
    if isinstance(rates, Range):
        lr: dict[str, Any] = {"lr": range_text(rates)}
    elif rates is None:
        lr = {}
    else:
        lr = {"lr": rates if isinstance(rates, float) else [*rates]}
    comment = _told("optimizer", optimizer).strip()
    return f"[arms.{arm}]  {comment}\noptimizer = {inline({'name': optimizer, **lr})}\n\n"
