"""A study as files, under the names and in the columns of the published scripts."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from thalweg.errors import InputError
from thalweg.export.metrics import training_metrics
from thalweg.export.prefixes import prefixes
from thalweg.export.rounds import lineages, round_files
from thalweg.store import Store, StudyResults
from thalweg.store.files import make_writable, write_whole
from thalweg.store.run_directory import COMPLETE


def export_study(
    store: Store,
    results: StudyResults,
    folder: Path,
    data: Path | None = None,
    prefix: str | None = None,
) -> list[Path]:
    """Write the metrics of every complete training of a study, and what every complete pruning by
    rounds came to.

    With PREFIX the arm, its grid point where there are several, and the seed where there are
    several, of a training:

    - ``PREFIX_training_metrics.csv``: see `thalweg.export.metrics.training_metrics`;

    and of a pruning by rounds, whose epochs are counted on from one training to the next:

    - ``PREFIX_lottery_ticket_metrics.csv``: `thalweg.export.metrics.EPOCHS` of all its trainings,
      the dense one first; ``round``, and ``round_epoch``, the epoch in that round's own training;
    - ``PREFIX_sparsity_log.csv``, a row a pruning: ``Epoch``, after which it was; ``Remaining
      Fraction``, ``Pruned Fraction``, ``Nonzeros`` and ``Total`` of the chosen weights; ``round``;
      ``accuracy`` and ``loss`` on the test split once it was trained;
    - ``PREFIX_theta_k_epK.pth``: the dense network's weights after epoch K, or with ``stepK`` after
      step K, to which the rounds rewind; none where they do not;
    - ``PREFIX_lottery_ticket_trained_weights.pth``: the last round's weights, trained;
    - ``PREFIX_masks/mask_epE.pt``, ``mask_final.pt``: 0 and 1 by ``NAME_mask``, for each parameter
      NAME, E the epoch of the pruning.

    The files of tensors are as `torch.save` writes them, with nothing pickled but tensors.

    Args:
        store: Where the runs lie.
        results: Of the study.
        folder: Made where it does not exist; files of these names in it are replaced.
        data: Folder searched first for downloadable data sets.
        prefix: Stands for the arm in PREFIX.

    Returns:
        The files.

    Raises:
        InputError: The study has nothing complete, several arms would share the prefix, the folder
            cannot be written, or the code of a model has changed since it was trained.
        ThalwegError: A file cannot be written.
    """
    contents = _contents(store, results, data, prefix)
    first = next(contents, None)
    if first is None:
        raise InputError(f"study {results.name!r}: has no complete training; run it first")
    make_writable(folder)
    files = []
    for name, content in chain([first], contents):
        write_whole(folder / name, content)
        files.append(folder / name)
    return files


def _contents(
    store: Store, results: StudyResults, data: Path | None, prefix: str | None
) -> Iterator[tuple[str, bytes | str]]:
    by_rounds = results.rounds["arm"].unique().to_list()
    trainings = results.runs.filter(~pl.col("arm").is_in(by_rounds))
    names = prefixes(trainings, prefix)
    for row in trainings.filter(pl.col("status").is_in(COMPLETE)).iter_rows(named=True):
        name = names[row["arm"], row["point"], row["seed"]]
        frame = training_metrics(store.run(row["run"]))
        yield f"{name}_training_metrics.csv", frame.write_csv()
    for lineage in lineages(store, results, data, prefix):
        yield from round_files(store, lineage, data)
