"""What the names of the public studies' files tell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from thalweg.optim.registry import OPTIMIZERS
from thalweg.tensor_files import SUFFIXES

TABLES = (".csv", ".tsv")

ALGORITHMS = ("gd", "eg")
"""Names of optimizers in the public studies that are none of ours."""


class Part(StrEnum):
    """What a file is of its run; its value is how the run's spec calls it."""

    METRICS = "metrics"
    TICKET_METRICS = "ticket_metrics"
    LOG = "sparsity_log"
    WEIGHTS = "weights"
    TICKET_WEIGHTS = "ticket_weights"
    REWOUND = "rewound"
    MASK = "mask"

    @property
    def of_ticket(self) -> bool:
        """Whether only a run that was pruned by rounds has such a file."""
        return self not in (Part.METRICS, Part.WEIGHTS)


@dataclass(frozen=True)
class FileName:
    """What a file's path tells.

    Attributes:
        prefix: What its run is called, "" if the path does not tell.
        part: What it is; of tensors `Part.WEIGHTS` if they may be masks as well.
        number: The epoch of a mask or of weights that were rewound to; None where none is told.
        sure: Whether the name is one that the public studies give to such a file.
    """

    prefix: str
    part: Part
    number: int | None = None
    sure: bool = True


_TABLE_NAMES: Sequence[tuple[str, Part]] = (
    (r"lottery_ticket_metrics", Part.TICKET_METRICS),
    (r"sparsity_log", Part.LOG),
    (r"(?:train(?:ing)?_)?(?:metrics|history|log)", Part.METRICS),
)
_TENSOR_NAMES: Sequence[tuple[str, Part]] = (
    (r"theta_k_ep(?P<number>\d+)", Part.REWOUND),
    (r"lottery_ticket_(?:trained_)?weights", Part.TICKET_WEIGHTS),
    (r"mask_(?:ep(?P<number>\d+)|final)", Part.MASK),
    (r"(?:final_|trained_)?(?:weights|state_dict|model|net|checkpoint|ckpt|masks?)", Part.WEIGHTS),
)
_MASKS_FOLDER = re.compile(r"(?P<prefix>.*?)_?masks?")
_SEED = re.compile(r"(?:^|[_-])seed[_-]?(\d+)(?=$|[_-])", re.I)
_RATE = re.compile(r"(?:^|[_-])lr[_-]?(\d+(?:\.\d+)?(?:e-?\d+)?)(?=$|[_-])", re.I)


def read_name(path: PurePosixPath) -> FileName | None:
    """Return what a path, relative to the folder that is imported, tells; None for a file of no
    kind that is imported.
    """
    if path.suffix in TABLES:
        known, otherwise = _TABLE_NAMES, Part.METRICS
    elif path.suffix in SUFFIXES:
        known, otherwise = _TENSOR_NAMES, Part.WEIGHTS
    else:
        return None
    for pattern, part in known:
        match = re.fullmatch(rf"(?:(?P<prefix>.*?)[_-])?{pattern}", path.stem, re.I)
        if match is not None:
            found = match.groupdict()
            number = None if found.get("number") is None else int(found["number"])
            return FileName(found["prefix"] or _folder_prefix(path), part, number)
    return FileName(path.stem, otherwise, sure=False)


def _folder_prefix(path: PurePosixPath) -> str:
    """Return the prefix that the folders of a file tell: ``eg_masks/mask_ep5.pt`` is of ``eg``."""
    for folder in [parent.name for parent in path.parents if parent.name]:
        match = _MASKS_FOLDER.fullmatch(folder)
        prefix = folder if match is None else match["prefix"]
        if prefix:
            return prefix
    return ""


def split_prefix(prefix: str) -> tuple[str, float | None, int | None]:
    """Return the arm, the learning rate and the seed of a prefix such as ``eg_lr1.1_seed3``; None
    for what it does not tell.
    """
    seed, rate = _SEED.search(prefix), _RATE.search(prefix)
    arm = _RATE.sub("", _SEED.sub("", prefix)).strip("_-")
    return arm, None if rate is None else float(rate[1]), None if seed is None else int(seed[1])


def optimizer_in(arm: str) -> str | None:
    """Return the optimizer that an arm's name tells, if one of its words is an optimizer's."""
    words = [arm, *re.split(r"[_\- ]+", arm)]
    return next(
        (word for word in words if word.lower() in {*ALGORITHMS, *OPTIMIZERS.names()}), None
    )
