"""The tables of a study file: those whose name chooses what their other keys are, and others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.data import TASKS
from thalweg.data.augmentation import AUGMENTATIONS
from thalweg.measure import PROBES
from thalweg.measure.requests import SampleOptions
from thalweg.models import INITS, MODELS
from thalweg.optim import OPTIMIZERS
from thalweg.optim.averaging import AVERAGES
from thalweg.optim.schedules import SCHEDULES
from thalweg.registry import Registry
from thalweg.sparsity import CRITERIA, SCOPES, SPARSITIES
from thalweg.spec import TrainOptions
from thalweg.study.plan import StudyOptions
from thalweg.study.protocol import Protocol, Sequential
from thalweg.study.search import SearchOptions
from thalweg.study.target_options import Targets
from thalweg.validation import Options

GUIDE = "docs/guide.md"


@dataclass(frozen=True)
class Thing:
    """One of the names to choose from.

    Attributes:
        name: The name.
        summary: What it is, in a line.
        options: Its other keys.
        source: Where it was published, if that is on record.
    """

    name: str
    summary: str
    options: type[Options]
    source: str

    @property
    def fields(self) -> list[str]:
        return [field for field in self.options.model_fields if field != "name"]

    @property
    def required(self) -> list[str]:
        return [f for f in self.fields if self.options.model_fields[f].is_required()]


@dataclass(frozen=True)
class Choice:
    """A table whose ``name`` chooses what its other keys are.

    Attributes:
        path: Where it stands: "train.schedule".
        kind: What it is a choice of: "schedule".
        things: What there is to choose from, by name.
        text: What it is for.
        reference: What ``"package.module:Name"`` may stand for instead; "" for nothing.
        lists: What a list of values of one of its keys means.
        default: What is chosen where nothing is; "" where something must be.
        page: Where it is documented.
        pages: The same of some of its things, by name.
    """

    path: str
    kind: str
    things: Mapping[str, Thing]
    text: str
    page: str
    reference: str = ""
    lists: str = "grid"
    default: str = ""
    pages: Mapping[str, str] | None = None

    def page_of(self, name: str) -> str:
        return (self.pages or {}).get(name, self.page)

    def with_field(self, field: str) -> Iterator[Thing]:
        """Yield the things that have a key."""
        return (thing for thing in self.things.values() if field in thing.fields)

    @property
    def fields(self) -> list[str]:
        """The keys that any of its things have."""
        return list(dict.fromkeys(f for thing in self.things.values() for f in thing.fields))


@dataclass(frozen=True)
class Table:
    """A table with keys of its own.

    Attributes:
        path: Where it stands.
        options: Its keys, but for those that are tables listed here themselves.
        text: What it is for.
        page: Where it is documented.
        lists: As in `Choice`; "" where a list is none of a grid.
    """

    path: str
    options: type[Options]
    text: str
    page: str
    lists: str = ""


@dataclass(frozen=True)
class Word:
    """A key that is neither: its type, its default, an example, and so on."""

    path: str
    text: str
    type: str
    page: str
    example: str
    allowed: str = ""
    default: str = ""


def _things(registry: Registry[Any]) -> dict[str, Thing]:
    found = {}
    for entry in registry:
        assert entry.options is not None
        source = getattr(entry.target, "source", "")
        found[entry.name] = Thing(entry.name, entry.summary, entry.options, source)
    return found


def _inits() -> dict[str, Thing]:
    own = {"default": Thing("default", "the model's own", Options, "")}
    return own | {name: Thing(name, each.summary, each, "") for name, each in INITS.items()}


_CURVATURE, _WEIGHTS = "docs/curvature.md#in-a-study", "docs/weights.md"
_PROBE_PAGES = {
    **dict.fromkeys(("features", "similarity", "weights"), _WEIGHTS),
    "graph": "docs/graphs.md",
    "dynamics": "docs/dynamics.md",
}
_SPARSITY, _RULES = "docs/sparsity.md", "docs/optimizers.md"
_STUDY, _DATA = f"{GUIDE}#a-study-file", f"{GUIDE}#data"

CHOICES = {
    choice.path: choice
    for choice in (
        Choice(
            "task",
            "task",
            _things(TASKS),
            "Data and loss that the networks are trained on.",
            _DATA,
            "a function that returns a thalweg.data.Task",
        ),
        Choice(
            "model",
            "model",
            _things(MODELS),
            "The network that is trained.",
            _STUDY,
            "an nn.Module class, or a function that returns a module",
        ),
        Choice(
            "model.init",
            "init",
            _inits(),
            "Initialisation of the weights.",
            _STUDY,
            default="default",
        ),
        Choice(
            "optimizer",
            "optimizer",
            _things(OPTIMIZERS),
            "What moves the weights, and its hyperparameters.",
            _RULES,
            "a torch.optim.Optimizer class",
        ),
        Choice(
            "train.schedule",
            "schedule",
            _things(SCHEDULES),
            "How the learning rate changes over a training.",
            _STUDY,
            default="constant",
        ),
        Choice(
            "train.augment",
            "augmentation",
            _things(AUGMENTATIONS),
            "Variants of the training images, of which every epoch draws one an example.",
            _STUDY,
            default="none",
        ),
        Choice(
            "train.average",
            "average",
            _things(AVERAGES),
            "Average of the iterates at which the runs are judged.",
            _RULES,
            default="none",
        ),
        Choice(
            "sparsity",
            "sparsity",
            _things(SPARSITIES),
            "Which weights may be nonzero, and how they are chosen.",
            _SPARSITY,
            lists="arms",
            default="none",
        ),
        Choice(
            "sparsity.criterion",
            "criterion",
            _things(CRITERIA),
            "What a weight is worth when some are pruned.",
            _SPARSITY,
            "a function of (model, names, context) that returns scores by name",
            lists="arms",
            default="magnitude",
        ),
        Choice(
            "sparsity.scope",
            "scope",
            _things(SCOPES),
            "How the number of weights kept is spread over the layers.",
            _SPARSITY,
            lists="arms",
            default="global",
        ),
        Choice(
            "probes",
            "probe",
            _things(PROBES),
            "What is measured of the runs; a table [[probes]] for each measurement.",
            _CURVATURE,
            "a function of (model, inputs, targets) that returns figures by name",
            lists="",
            default="none",
            pages=_PROBE_PAGES,
        ),
    )
}

TABLES = {
    table.path: table
    for table in (
        Table("study", StudyOptions, "Name, seeds and targets of the study.", _STUDY),
        Table(
            "study.targets",
            Targets,
            "Figures whose cost is reported: what the runs of an arm spend to reach them.",
            f"{GUIDE}#the-cost-to-reach-a-target",
        ),
        Table("train", TrainOptions, "How the networks are trained.", _STUDY, "grid"),
        Table("search", SearchOptions, "Which points are trained.", f"{GUIDE}#sweeps"),
        Table(
            "protocol",
            Protocol,
            "What the study promises about itself before it is run.",
            f"{GUIDE}#protocol",
        ),
        Table(
            "protocol.until_resolved",
            Sequential,
            "How the seeds of a study are added; written by --until-resolved.",
            f"{GUIDE}#protocol",
        ),
        Table("probes", SampleOptions, "", _CURVATURE),
    )
}

_WHEN = '"end", "every:N" or "last:N", N steps of the training'

WORDS = {
    word.path: word
    for word in (
        Word(
            "arms",
            "The conditions that the study compares. An arm's tables are laid over the study's own "
            "key by key; one that names another thing takes the place of that below it whole.",
            "table of arms",
            _STUDY,
            'arms.momentum.optimizer = { name = "sgd", lr = 0.1, momentum = 0.9 }',
            default="one arm, named after its optimizer",
        ),
        Word(
            "arms.NAME",
            "One arm: tables task, model, optimizer, train and sparsity of its own; false, as a "
            "preset may say, leaves it out.",
            "table, or false",
            _STUDY,
            'arms.adam.optimizer = { name = "adam", lr = [1e-3, 1e-2] }',
            "task, model, optimizer, train, sparsity",
        ),
        Word(
            "presets",
            "Variants of the study, which --preset NAME runs.",
            "table of presets",
            _STUDY,
            "presets.quick.train.epochs = 1",
            default="none",
        ),
        Word(
            "presets.NAME",
            "Keys that --preset NAME lays over the study. Its results are a study of their own.",
            "table",
            _STUDY,
            "presets.quick = { seeds = 2, train.epochs = 1 }",
            "any key of a study, and seeds",
        ),
        Word(
            "presets.NAME.seeds",
            "Short for study.seeds of the preset.",
            "whole number or list of whole numbers",
            _STUDY,
            "presets.quick.seeds = 2",
        ),
        Word(
            "probes.label",
            "Name that the figures of this measurement go under.",
            "text",
            _CURVATURE,
            '[[probes]]\nname = "hessian"\nlabel = "largest three"\ntop = 3',
            default="the probe's name",
        ),
        Word(
            "probes.when",
            "At which steps of the training it is taken; the end, unless the probe watches.",
            "text",
            "docs/dynamics.md",
            '[[probes]]\nname = "dynamics"\nwhen = "every:50"',
            _WHEN,
            '"end"; of dynamics "every:N", by its preset',
        ),
    )
}
