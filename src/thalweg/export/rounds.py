"""The files of a pruning by rounds, as the published lottery-ticket scripts name and fill them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from thalweg.errors import InputError
from thalweg.execute.models import build_spec_model, load_named_task
from thalweg.export.files import tensor_bytes
from thalweg.export.metrics import EPOCHS, epoch_metrics
from thalweg.export.prefixes import prefixes
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory, Store, StudyResults


@dataclass(frozen=True)
class Round:
    """One training of a pruning by rounds; 0 is the dense one.

    Attributes:
        run: Where it lies.
        row: Of the ``rounds`` frame.
        first: Epochs that the trainings before it took, the dense one's among them: when it was
            pruned.
        epochs: Epochs of its own, the last of which may have begun before the round did.
    """

    run: RunDirectory
    row: Mapping[str, Any]
    first: int
    epochs: int


@dataclass(frozen=True)
class Lineage:
    """A pruning of which all rounds are done.

    Attributes:
        prefix: What its files' names begin with.
        rounds: The dense training, and one a pruning.
        names: Of the network's tensors, in its order; files tell them in none.
    """

    prefix: str
    rounds: tuple[Round, ...]
    names: tuple[str, ...]

    @property
    def last(self) -> RunDirectory:
        return self.rounds[-1].run

    @property
    def weights(self) -> dict[str, Tensor]:
        """What the last round ended with."""
        return self._ordered(self.last.weights())

    @property
    def masks(self) -> dict[str, Tensor]:
        """Under which the last round was trained."""
        return self.masks_of(self.rounds[-1])

    @property
    def kept(self) -> float:
        """Fraction of the chosen weights that is nonzero."""
        return float(self.rounds[-1].row["kept"])

    @property
    def accuracy(self) -> float | None:
        """Of the last round on the test split; None in regression."""
        found: float | None = self.rounds[-1].row["test_accuracy"]
        return found

    def masks_of(self, one: Round) -> dict[str, Tensor]:
        """Return the masks under which a round was trained."""
        return self._ordered(one.run.masks())

    def _ordered(self, found: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        return {name: found[name] for name in self.names if name in found} if found else {}


def lineages(
    store: Store, results: StudyResults, data: Path | None, prefix: str | None = None
) -> Iterator[Lineage]:
    """Yield the prunings of a study of which all rounds are done.

    Raises:
        InputError: A prefix is given and there are several arms; see `prefixes`.
    """
    frame = results.rounds
    names = prefixes(frame, prefix)
    for (arm, point, seed), group in frame.group_by("arm", "point", "seed", maintain_order=True):
        rows = group.sort("round").to_dicts()
        if all(row["status"] == "done" for row in rows):
            rounds: list[Round] = []
            for row in rows:
                first = rounds[-1].first + rounds[-1].epochs if rounds else 0
                rounds.append(Round(store.run(row["run"]), row, first, ceil(row["epochs"])))
            spec = RunSpec.parse(rounds[-1].run.spec())
            model = build_spec_model(spec, load_named_task(spec.task, data))
            own = names[str(arm), str(point), int(str(seed))]
            yield Lineage(own, tuple(rounds), tuple(model.state_dict()))


def round_files(
    store: Store, lineage: Lineage, data: Path | None
) -> Iterator[tuple[str, bytes | str]]:
    """Yield the names and contents of a pruning's files.

    Raises:
        InputError: The code of the model has changed since it was trained.
    """
    trained = lineage.weights
    yield f"{lineage.prefix}_lottery_ticket_metrics.csv", _metrics(lineage).write_csv()
    yield f"{lineage.prefix}_sparsity_log.csv", _log(lineage).write_csv()
    weights = f"{lineage.prefix}_lottery_ticket_trained_weights.pth"
    yield weights, tensor_bytes(trained)
    start = _rewound(store, RunSpec.parse(lineage.last.spec()), trained, data)
    if start is not None:
        place, before = start
        yield f"{lineage.prefix}_theta_k_{place}.pth", tensor_bytes(before)
    for each in lineage.rounds[1:]:
        masks = {f"{name}_mask": mask.float() for name, mask in lineage.masks_of(each).items()}
        yield f"{lineage.prefix}_masks/mask_ep{each.first}.pt", tensor_bytes(masks)
    yield f"{lineage.prefix}_masks/mask_final.pt", tensor_bytes(masks)


def _metrics(lineage: Lineage) -> pl.DataFrame:
    """Return the epochs of all rounds, counted on from one to the next."""
    frames = []
    for number, each in enumerate(lineage.rounds):
        begun = each.run.status()["epochs"] - each.epochs
        frames.append(
            epoch_metrics(each.run, begun).select(
                pl.col("Epoch") - begun + each.first,
                *EPOCHS[1:],
                pl.lit(number).alias("round"),
                pl.col("Epoch").alias("round_epoch"),
            )
        )
    return pl.concat(frames)


def _log(lineage: Lineage) -> pl.DataFrame:
    """Return a row a pruning: when it was and what it left, and what the network was worth once it
    was trained.
    """
    rows = []
    for number, each in enumerate(lineage.rounds[1:], start=1):
        kept = each.run.status()["sparsity"]
        share = kept["nonzero"] / kept["weights"]
        rows.append(
            {
                "Epoch": each.first,
                "Remaining Fraction": share,
                "Pruned Fraction": 1 - share,
                "Nonzeros": kept["nonzero"],
                "Total": kept["weights"],
                "round": number,
                "accuracy": each.row["test_accuracy"],
                "loss": each.row["test_loss"],
            }
        )
    return pl.DataFrame(rows, schema_overrides={"accuracy": pl.Float64})


def _rewound(
    store: Store, spec: RunSpec, like: Mapping[str, Tensor], data: Path | None
) -> tuple[str, Mapping[str, Tensor]] | None:
    """Return the weights that the survivors are rewound to, and where in the dense training they
    were; None where nothing is rewound.
    """
    assert spec.rounds is not None
    start = spec.rounds.start
    if start.weights != "dense" or spec.rounds.control == "reinitialised":
        return None
    place = f"{'ep' if start.unit == 'epoch' else 'step'}{start.count}"
    if start.count > 0:
        return place, store.run(spec.dense.id).load_snapshot(spec.rounds.rewind)["weights"]
    module = build_spec_model(spec.dense, load_named_task(spec.task, data))
    weights = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if {n: t.shape for n, t in weights.items()} != {n: t.shape for n, t in like.items()}:
        raise InputError(
            f"run {spec.id}: the code of its model has changed since it was trained; its initial "
            "weights cannot be made again"
        )
    return place, weights
