"""Pruning by rounds with rewinding: train, prune, rewind, train again."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from thalweg.errors import InputError
from thalweg.sparsity.options import CriterionName, ParameterOptions, ScopeName
from thalweg.validation import unknown

CONTROLS = ("reinitialised", "shuffled_layerwise", "shuffled_globally", "random", "dense")
"""What a ticket is compared with: see `thalweg.sparsity.tickets`."""

_REWIND = re.compile(r"(epoch|step|lr):(\d+)")

_REWIND_SCHEMA = {
    "anyOf": [
        {"enum": ["init", "none"]},
        {
            "type": "string",
            "pattern": f"^{_REWIND.pattern}$",
            "title": '"epoch:K", "step:K", "lr:K"',
        },
    ]
}


@dataclass(frozen=True)
class Rewind:
    """Where a round begins.

    Attributes:
        weights: "dense": the survivors' weights of the dense training at ``step``; "last": those
            that the round before ended with.
        schedule: "from": the schedule goes on from the beginning of the round; "last": the learning
            rate stays what it was last.
        unit: "epoch" or "step".
        count: How many of them the training goes back to.
    """

    weights: Literal["dense", "last"]
    schedule: Literal["from", "last"]
    unit: Literal["epoch", "step"]
    count: int

    @classmethod
    def parse(cls, text: str) -> "Rewind":
        """Read "init", "epoch:K", "step:K", "lr:K" or "none".

        Raises:
            ValueError: It is none of them.
        """
        if text == "init":
            return cls("dense", "from", "epoch", 0)
        if text == "none":
            return cls("last", "last", "epoch", 0)
        match = _REWIND.fullmatch(text)
        if match is None:
            raise ValueError(
                'must be "init", "epoch:K", "step:K", "lr:K" (the learning rate of epoch K on, '
                'weights kept) or "none" (fine-tuning at the last learning rate)'
            )
        weights: Literal["dense", "last"] = "last" if match[1] == "lr" else "dense"
        return cls(weights, "from", "step" if match[1] == "step" else "epoch", int(match[2]))

    def first_step(self, steps_per_epoch: int) -> int:
        """Return the step at which a round begins."""
        return self.count * (steps_per_epoch if self.unit == "epoch" else 1)


def _rewind(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    Rewind.parse(value)
    return value


def _control(value: Any) -> Any:
    if value not in CONTROLS:
        raise ValueError(unknown("control", str(value), CONTROLS))
    return value


class RoundsOptions(ParameterOptions):
    """Iterative pruning.

    Attributes:
        target: Fraction of the chosen weights that is 0 in the end.
        rounds: Rounds in which it is reached; 1 is one-shot pruning.
        schedule: "geometric" removes the same fraction 1 − (1 − target)^(1/rounds) of what is left
            in every round, "linear" the same number of weights.
        keep: Fractions kept after each round, in place of target, rounds and schedule.
        criterion: What a weight is worth; see `thalweg.sparsity.criteria`.
        scope: How the number is spread over the layers; see `thalweg.sparsity.allocation`.
        rewind: Where each round begins: "init", "epoch:K", "step:K", "lr:K" or "none".
        optimizer_state: The optimizer's state at the beginning of a round: "reset", "rewind" (as it
            was where the weights are rewound to) or "keep" (as the round before left it).
        lr_schedule: Learning-rate schedule of the trainings after a pruning; None for that of the
            dense training. The run's spec checks it.
        control: What stands in for the ticket; None for the ticket itself.
        controls: Controls that a study runs beside the ticket, as arms of their own.
    """

    target: float | None = Field(default=None, gt=0, lt=1, exclude=True)
    rounds: int = Field(default=1, ge=1, le=1000, exclude=True)
    schedule: Literal["geometric", "linear"] = Field(default="geometric", exclude=True)
    keep: list[Annotated[float, Field(gt=0, lt=1)]] = Field(default=[])
    criterion: CriterionName = "magnitude"
    scope: ScopeName = "global"
    rewind: Annotated[str, BeforeValidator(_rewind), WithJsonSchema(_REWIND_SCHEMA)] = "init"
    optimizer_state: Literal["reset", "rewind", "keep"] = "reset"
    lr_schedule: str | dict[str, Any] | None = None
    control: (
        Literal["reinitialised", "shuffled_layerwise", "shuffled_globally", "random"] | None
    ) = None
    controls: list[
        Annotated[str, BeforeValidator(_control), WithJsonSchema({"enum": list(CONTROLS)})]
    ] = Field(default=[], exclude=True)

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        if (self.target is None) == (not self.keep):
            raise ValueError("needs either target or keep")
        if self.target is not None:
            # The model is frozen, and this its only other spelling.
            self.keep.extend(kept_by_round(self.target, self.rounds, self.schedule))
        if any(after >= before for before, after in zip(self.keep, self.keep[1:], strict=False)):
            raise ValueError(f"keep = {self.keep}: must fall from round to round")
        if self.optimizer_state == "rewind" and self.start.weights == "last":
            raise ValueError(
                f'optimizer_state = "rewind": must be "reset" or "keep" where rewind = '
                f"{self.rewind!r} rewinds no weights"
            )
        if self.lr_schedule is not None and self.start.schedule == "last":
            raise ValueError(
                f"lr_schedule = {self.lr_schedule!r}: must be left out where rewind = "
                f"{self.rewind!r} trains at the last learning rate"
            )
        return self

    def check_length(self, epochs: int) -> None:
        if self.start.unit == "epoch" and self.start.count >= epochs:
            raise InputError(
                f"sparsity.rewind = {self.rewind!r}: must be less than the {epochs} epochs of "
                "training, some of which must follow the pruning"
            )

    @property
    def start(self) -> Rewind:
        return Rewind.parse(self.rewind)


def kept_by_round(target: float, rounds: int, schedule: str) -> list[float]:
    """Return the fraction kept after each round.

    Geometric: (1 − target)^(r/rounds); linear: 1 − target · r/rounds. Rounded to ten digits, so
    that schedules which share their first rounds share the runs.
    """
    shares = [r / rounds for r in range(1, rounds + 1)]
    if schedule == "linear":
        return [round(1 - target * share, 10) for share in shares]
    return [round((1 - target) ** share, 10) for share in shares]
