"""Rounds of pruning as files, under the names that published lottery-ticket studies use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from safetensors.torch import load_file, save
from torch import Tensor

from thalweg.errors import InputError
from thalweg.execute.models import build_spec_model, load_named_task
from thalweg.export.files import make_writable
from thalweg.spec import RunSpec
from thalweg.store import Store, StudyResults
from thalweg.store.files import write_whole
from thalweg.store.slug import slug


@dataclass(frozen=True)
class Lineage:
    """The runs of one ticket: rows of the ``rounds`` frame, the dense one first."""

    prefix: str
    rows: tuple[dict[str, object], ...]

    @property
    def ids(self) -> list[str]:
        return [str(row["run"]) for row in self.rows]


def export_rounds(
    store: Store, results: StudyResults, folder: Path, data: Path | None = None
) -> list[Path]:
    """Write what every complete pruning of a study came to.

    With PREFIX the arm, its grid point where there are several, and the seed where there are
    several:

    - ``PREFIX_lottery_ticket_metrics.csv``: epoch, test_loss and test_accuracy of the last round's
      training;
    - ``PREFIX_sparsity_log.csv``: round, sparsity (the fraction of the weights that is 0), accuracy
      and loss on the test split, round 0 being the dense network;
    - ``PREFIX_theta_k_epK.safetensors``: the dense network's weights after epoch K, or with
      ``stepK`` after step K, to which the rounds rewind; none where they do not;
    - ``PREFIX_lottery_ticket_trained_weights.safetensors``: the last round's weights, trained;
    - ``PREFIX_masks/mask_epR.safetensors``, ``mask_final.safetensors``: boolean, by parameter, the
      mask under which round R trained.

    Args:
        store: Where the runs lie.
        results: Of the study.
        folder: Made where it does not exist; files of these names in it are replaced.
        data: Folder searched first for downloadable data sets.

    Returns:
        The files.

    Raises:
        InputError: The study has no complete rounds of pruning, the folder cannot be written, or
            the code of a model has changed since it was trained.
        ThalwegError: A file cannot be written.
    """
    found = list(_lineages(results))
    if not found:
        raise InputError(
            f"study {results.name!r}: has no complete rounds of pruning; they are runs of a study "
            'with sparsity.name = "imp"'
        )
    make_writable(folder)
    files = []
    for lineage in found:
        for name, content in _contents(store, results, lineage, data).items():
            write_whole(folder / name, content)
            files.append(folder / name)
    return files


def _lineages(results: StudyResults) -> Iterator[Lineage]:
    """Yield every ticket of which all rounds are done."""
    frame = results.rounds
    several = {
        arm: (len(set(points)), len(set(seeds)))
        for arm, points, seeds in frame.group_by("arm").agg("point", "seed").iter_rows()
    }
    taken: set[str] = set()
    for (arm, point, seed), group in frame.group_by("arm", "point", "seed", maintain_order=True):
        rows = group.sort("round").to_dicts()
        if any(row["status"] != "done" for row in rows):
            continue
        points, seeds = several[str(arm)]
        parts = [str(arm), *([str(point)] if points > 1 else [])]
        stem = prefix = slug(*parts, *([f"seed{seed}"] if seeds > 1 else []))
        copy = 1
        while prefix in taken:
            copy += 1
            prefix = f"{stem}-{copy}"
        taken.add(prefix)
        yield Lineage(prefix, tuple(rows))


def _contents(
    store: Store, results: StudyResults, lineage: Lineage, data: Path | None
) -> dict[str, bytes | str]:
    """Return the files of one ticket by name."""
    last = store.run(lineage.ids[-1])
    trained = load_file(last.path / "final.safetensors")
    metrics = results.metrics.filter(pl.col("run") == last.id).sort("epoch")
    log = pl.DataFrame(lineage.rows).select(
        "round",
        sparsity=1 - pl.col("kept"),
        accuracy=pl.col("test_accuracy"),
        loss=pl.col("test_loss"),
    )
    files: dict[str, bytes | str] = {
        "lottery_ticket_metrics.csv": metrics.select(
            "epoch", "test_loss", "test_accuracy"
        ).write_csv(),
        "sparsity_log.csv": log.write_csv(),
        "lottery_ticket_trained_weights.safetensors": _bytes(trained),
    }
    start = _rewound(store, RunSpec.parse(last.spec()), trained, data)
    if start is not None:
        place, weights = start
        files[f"theta_k_{place}.safetensors"] = _bytes(weights)
    for number, run_id in enumerate(lineage.ids[1:], start=1):
        masks = _bytes(store.run(run_id).masks() or {})
        files[f"masks/mask_ep{number}.safetensors"] = masks
        if run_id == last.id:
            files["masks/mask_final.safetensors"] = masks
    return {f"{lineage.prefix}_{name}": content for name, content in files.items()}


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
    return place, {name: tensor.detach() for name, tensor in weights.items()}


def _bytes(tensors: Mapping[str, Tensor]) -> bytes:
    # Clones, because the format refuses tensors that share memory.
    return save({name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()})
