"""The spec of one run: all that defines it, frozen, with an identity of its own."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from thalweg.data import TASKS
from thalweg.data.augmentation import AUGMENTATIONS
from thalweg.errors import InputError
from thalweg.models import MODELS, InitOptions, parse_init
from thalweg.optim.averaging import AVERAGES
from thalweg.optim.registry import OPTIMIZERS, averages_iterates, check_optimizer
from thalweg.optim.schedules import SCHEDULES
from thalweg.registry import Registry, check_keywords, source_digest
from thalweg.sparsity import ROUNDS, SPARSITIES, RoundsOptions
from thalweg.sparsity.options import ParameterOptions, own_criterion
from thalweg.spec.named import Named, split_name
from thalweg.validation import Options, unknown, validate

FORMAT = 1
"""Version of the canonical form. Raising it gives every run a new identity."""

IMPORTED = "imported"
"""Key that marks the spec of a run which another program trained, and its study."""

T = TypeVar("T")

SECTIONS = ("task", "model", "optimizer", "train", "sparsity", "seed")


def _batch_size(value: Any) -> Any:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError('must be a whole number of at least 1, or "full"')


BatchSize = Annotated[
    int | str,
    BeforeValidator(_batch_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "full"}]}),
]


class TrainOptions(Options):
    """How a run is trained.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Examples a step, or "full" for the whole split.
        clip_norm: Bound on the gradient norm; absent for none.
        label_smoothing: s of the targets (1 − s)·onehot + s/C that are trained on; absent for none.
            Evaluation is without.
        order: "seed": each seed has a data order of its own; "shared": all see that of seed 0.
        evaluate_every: Epochs between evaluations.
    """

    epochs: int = Field(ge=1)
    batch_size: BatchSize = 64
    clip_norm: float | None = Field(default=None, gt=0)
    label_smoothing: float | None = Field(default=None, gt=0, lt=1)
    order: Literal["seed", "shared"] = "seed"
    evaluate_every: int = Field(default=1, ge=1)

    def examples_per_step(self, examples: int) -> int:
        """Return the batch size in a training split of so many examples."""
        return examples if self.batch_size == "full" else int(self.batch_size)

    def steps_per_epoch(self, examples: int) -> int:
        """Return the steps an epoch in a training split of so many examples."""
        return -(-examples // self.examples_per_step(examples))


@dataclass(frozen=True)
class RunSpec:
    """One training of one network from one seed.

    Attributes:
        task: Data and loss.
        model: Architecture.
        init: Named initialisation; None for the model's own.
        optimizer: Optimizer and its hyperparameters.
        train: Epochs, batches, clipping, order.
        schedule: Learning-rate schedule; see `lr_schedule` for that of a round of pruning.
        augment: Augmentation of the training examples; None for none.
        average: Average of the iterates at which the run is judged; None for the last iterate.
        sparsity: Which weights may be nonzero; None for all.
        seed: Root of all random streams.
    """

    task: Named
    model: Named
    init: InitOptions | None
    optimizer: Named
    train: TrainOptions
    schedule: Named
    seed: int
    augment: Named | None = None
    average: Named | None = None
    sparsity: Named | None = None

    @classmethod
    def parse(cls, table: Mapping[str, Any], known: "Parts | None" = None) -> "RunSpec":
        """Build a spec from the tables of a study file, or from its own canonical form.

        Args:
            table: The tables.
            known: What was parsed before, for many specs that have parts in common.

        Raises:
            InputError: One sentence that names the key, the value and what is allowed.
        """
        if IMPORTED in table:
            raise InputError(
                "the run was imported from files of another program, so nothing can "
                "train it again; only what its files hold can be looked at"
            )
        for key in table:
            if key not in (*SECTIONS, "format"):
                raise InputError(unknown("key", key, SECTIONS))
        if table.get("format", FORMAT) != FORMAT:
            raise InputError(f"format = {table['format']!r}: must be {FORMAT}")
        for section in ("task", "model", "optimizer", "train"):
            if section not in table:
                raise InputError(f"[{section}] is missing")
        parts = Parts() if known is None else known
        train, schedule, augment, average = parts.get(_parse_train, table["train"])
        if average is not None:
            optimizer, _ = split_name(table["optimizer"], "optimizer")
            if averages_iterates(optimizer):
                raise InputError(
                    f"train.average = {average.name!r}: must be left out for optimizer "
                    f"{optimizer!r}, which is judged at an average of its own"
                )
        sparsity, options = parts.get(_parse_sparsity, table.get("sparsity"))
        if options is not None:
            options.check_length(train.epochs)
        model, init = parts.get(_parse_model, table["model"])
        return cls(
            task=parts.get(_parse_task, table["task"]),
            model=model,
            init=init,
            optimizer=parts.get(_parse_optimizer, table["optimizer"]),
            train=train,
            schedule=schedule,
            seed=_seed(table.get("seed", 0)),
            augment=augment,
            average=average,
            sparsity=sparsity,
        )

    def with_seed(self, seed: Any) -> "RunSpec":
        """Return the spec that differs in its seed alone.

        Raises:
            InputError: It is none.
        """
        other = replace(self, seed=_seed(seed))
        other.__dict__["_around_seed"] = self._around_seed
        return other

    def canonical(self) -> dict[str, Any]:
        """Return the spec as plain values with every default written out.

        A part that is absent (no init, no clipping, no sparsity) is left out, so that a kind of
        part added later does not change the identity of runs that do without it.
        """
        model = self.model.canonical()
        if self.init is not None:
            model["init"] = self.init.model_dump()
        train = self.train.model_dump(exclude_none=True)
        if self.augment is not None:
            train["augment"] = self.augment.canonical()
        if self.average is not None:
            train["average"] = self.average.canonical()
        sparsity = {} if self.sparsity is None else {"sparsity": self.sparsity.canonical()}
        return {
            "format": FORMAT,
            "task": self.task.canonical(),
            "model": model,
            "optimizer": self.optimizer.canonical(),
            "train": {**train, "schedule": self.schedule.canonical()},
            **sparsity,
            "seed": self.seed,
        }

    @property
    def sparsity_options(self) -> ParameterOptions:
        """The checked options of the sparsity."""
        assert self.sparsity is not None
        return sparsity_options(self.sparsity)

    @cached_property
    def rounds(self) -> RoundsOptions | None:
        """How the run came about by rounds of pruning; None for one that did not."""
        if self.sparsity is None or self.sparsity.name != ROUNDS:
            return None
        return validate(RoundsOptions, self.sparsity.options)

    @property
    def lr_schedule(self) -> Named:
        """The learning-rate schedule of this training, which may differ from the dense one's."""
        if self.rounds is None or self.rounds.lr_schedule is None:
            return self.schedule
        return parse_named(SCHEDULES, self.rounds.lr_schedule, "sparsity.lr_schedule")

    @property
    def round(self) -> int:
        """Rounds of pruning before this training: it can begin when that of the round before it,
        `parent`, is complete.
        """
        return 0 if self.rounds is None else len(self.rounds.keep)

    @cached_property
    def parent(self) -> "RunSpec | None":
        """The run whose weights are pruned for this one; None where nothing was trained before."""
        if self.sparsity is None or self.rounds is None:
            return None
        keep = self.rounds.keep[:-1]
        if not keep:
            return replace(self, sparsity=None)
        options = {k: v for k, v in self.sparsity.options.items() if k != "control"}
        return replace(self, sparsity=Named(ROUNDS, {**options, "keep": keep}, self.sparsity.code))

    @property
    def dense(self) -> "RunSpec":
        """The run from which the first round was pruned, or the run itself."""
        return self if self.parent is None else self.parent.dense

    @property
    def lineage(self) -> "list[RunSpec]":
        """The runs that must be trained for this one, the dense one first and itself last."""
        return [self] if self.parent is None else [*self.parent.lineage, self]

    @cached_property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        before, after = self._around_seed
        return _digest(f"{before}{self.seed}{after}")

    @cached_property
    def _around_seed(self) -> tuple[str, str]:
        """The canonical JSON before and after the seed: specs of many seeds have them in common."""
        canonical = self.canonical()
        before = _json({key: value for key, value in canonical.items() if key < "seed"})
        after = _json({key: value for key, value in canonical.items() if key > "seed"})
        return f'{before[:-1]},"seed":', f",{after[1:]}"


def spec_id(canonical: Mapping[str, Any]) -> str:
    """Return the id of the run that a spec's canonical form defines: the first 16 hexadecimal
    digits of the SHA-256 of its JSON.
    """
    return _digest(_json(canonical))


_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Parts:
    """Parts of specs by the tables they were parsed from."""

    def __init__(self) -> None:
        self._found: dict[tuple[Callable[[Any], Any], str], Any] = {}

    def get(self, parse: Callable[[Any], T], table: Any) -> T:
        """Return what ``parse`` makes of a table, which it is called for once."""
        key = parse, repr(table)  # tells 1 from 1.0 and True
        if key not in self._found:
            self._found[key] = parse(table)
        found: T = self._found[key]
        return found


def _parse_task(table: Any) -> Named:
    return parse_named(TASKS, table, "task")


def _parse_model(table: Any) -> tuple[Named, InitOptions | None]:
    name, options = split_name(table, "model")
    init = parse_init(options.pop("init", "default"))
    return parse_named(MODELS, {"name": name, **options}, "model", ["init"]), init


def _parse_optimizer(table: Any) -> Named:
    name, hyperparameters = split_name(table, "optimizer")
    checked = check_optimizer(name, hyperparameters, "optimizer")
    return Named(name, checked, _code(OPTIMIZERS, name))


def _parse_train(table: Any) -> tuple[TrainOptions, Named, Named | None, Named | None]:
    """Return the options, the schedule, the augmentation and the average."""
    if not isinstance(table, Mapping):
        raise InputError(f"train = {table!r}: must be a table")
    train = dict(table)
    schedule = parse_named(SCHEDULES, train.pop("schedule", "constant"), "train.schedule")
    augment = _optional(AUGMENTATIONS, train.pop("augment", None), "train.augment")
    average = _optional(AVERAGES, train.pop("average", None), "train.average")
    checked = validate(TrainOptions, train, "train", ["schedule", "augment", "average"])
    return checked, schedule, augment, average


def _parse_sparsity(table: Any) -> tuple[Named | None, ParameterOptions | None]:
    criterion = own_criterion(table)
    sparsity = _optional(SPARSITIES, table, "sparsity")
    if sparsity is None:
        return None, None
    if criterion is not None:
        sparsity = replace(sparsity, code=source_digest(criterion))
    options = sparsity_options(sparsity)
    if isinstance(options, RoundsOptions) and options.lr_schedule is not None:
        parse_named(SCHEDULES, options.lr_schedule, "sparsity.lr_schedule")
    return sparsity, options


def _seed(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise InputError(f"seed = {value!r}: must be a whole number from 0 to {2**31 - 1}")
    return value


def sparsity_options(sparsity: Named) -> ParameterOptions:
    """Return the checked options of a sparsity, of whatever kind it is."""
    kind = SPARSITIES[sparsity.name].options
    assert kind is not None
    assert issubclass(kind, ParameterOptions)
    return validate(kind, sparsity.options)


def parse_named(registry: Registry[Any], table: Any, path: str, also: Sequence[str] = ()) -> Named:
    """Check a choice from a registry and fill in its defaults.

    Args:
        registry: What there is to choose from.
        table: A name, or a table with a name and options.
        path: Where it stands, for the message.
        also: Keys that the table may hold too and that are read elsewhere, for the message.

    Raises:
        InputError: An unknown name or option, or a value that is not allowed.
    """
    name, options = split_name(table, path)
    entry = registry[name]
    if entry.options is not None:
        options = validate(entry.options, options, path, also).model_dump(exclude_none=True)
    elif callable(entry.target):
        check_keywords(name, entry.target, options)
    return Named(name, options, _code(registry, name))


def _optional(registry: Registry[Any], table: Any, path: str) -> Named | None:
    return None if table is None else parse_named(registry, table, path)


def _code(registry: Registry[Any], name: str) -> str:
    return source_digest(name) if registry[name].options is None else ""
