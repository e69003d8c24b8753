"""A sparsity that is not what was claimed."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from torch import Tensor

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.tables import Table
from thalweg.audit.read.tensors import TensorFile, matrices, sparsity_of
from thalweg.sparsity.allocation.counting import kept

TOLERANCE = 0.005
"""Half a percentage point: what a claim of whole percents rounds away."""

_SPARSE = r"(?:sparsity|sparse|pruned|zeros)"
_DENSE = r"(?:density|dense|kept|keep|remaining)"
_CLAIM = re.compile(
    rf"({_SPARSE}|{_DENSE})[_=\- ]?(\d+(?:\.\d+)?)(?![\d.]*[a-z])|"
    rf"(\d+(?:\.\d+)?)(?:pct|percent|%)?[_=\- ]?({_SPARSE}|{_DENSE})"
)


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    for run_id, arm in study.sparse.items():
        where = f"{arm}, run {run_id}"
        run = study.store.run(run_id)
        masks, weights = run.masks() or {}, study.weights(run_id)
        allowed = sum(int(mask.sum()) for mask in masks.values())
        total = sum(mask.numel() for mask in masks.values())
        spec = study.spec(run_id)
        keep = None if spec is None else getattr(spec.sparsity_options, "keep", None)
        fraction = keep[-1] if isinstance(keep, list) else keep
        if isinstance(fraction, float) and allowed > kept(fraction, total):
            yield Seen(
                "severe",
                where,
                "the mask keeps more weights than the study asked for",
                f"{allowed} of {total}, where keep = {fraction:g} is {kept(fraction, total)}",
            )
        recorded = run.status().get("sparsity", {}).get("nonzero")
        known = weights.keys() >= masks.keys()  # an imported run may have masks alone
        nonzero = sum(int(weights[name].count_nonzero()) for name in masks if known)
        if recorded is not None and known and recorded != nonzero:
            yield Seen(
                "severe",
                where,
                "the recorded number of weights is not that of the weights",
                f"recorded {recorded}, the file has {nonzero} of {total} nonzero",
            )


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for file in folder.tensors:
        claim = _claim(file.name)
        if claim is not None:
            yield from _compare(file.name, "its name", file, claim)
    by_name = {PurePosixPath(file.name).name: file for file in folder.tensors}
    for table in folder.tables:
        yield from _of_table(table, by_name)


def _of_table(table: Table, files: Mapping[str, TensorFile]) -> Iterator[Seen]:
    claimed, sign = table.find(_SPARSE), 1
    if claimed is None:
        claimed, sign = table.find(_DENSE), -1
    if claimed is None:
        return
    values = [
        math.nan if math.isnan(value) else _fraction(value) if sign > 0 else 1 - _fraction(value)
        for value in table.numbers(claimed)
    ]
    named = table.find(r"file|path|checkpoint|ckpt|masks?|model")
    left, of = table.find(r"nonzero|nnz|weights[_ ]left"), table.find(r"total|weights|parameters")
    for index, (row, value) in enumerate(zip(table.rows, values, strict=True), start=1):
        if math.isnan(value):
            continue
        where = f"{table.where}, row {index}"
        file = files.get(PurePosixPath(row[named]).name) if named is not None else None
        if file is not None:
            yield from _compare(where, f"column {claimed!r}", file, value)
        if left is not None and of is not None:
            ratio = table.numbers(left)[index - 1] / (table.numbers(of)[index - 1] or math.nan)
            if abs(1 - ratio - value) > TOLERANCE:
                yield Seen(
                    "severe",
                    where,
                    "the sparsity is not that of the counts beside it",
                    f"{claimed} says {value:.4g} zeros, {left}/{of} is {1 - ratio:.4g}",
                )


def _claim(name: str) -> float | None:
    """Return the sparsity that a file's name tells: "net_sparsity_90.pt", "kept0.1", "90pct"."""
    match = _CLAIM.search(str(PurePosixPath(name).with_suffix("")).lower())
    if match is None:
        return None
    word, digits = match[1] or match[4], match[2] or match[3]
    value = _fraction(float(digits))
    return value if re.fullmatch(_SPARSE, word) else 1 - value


def _fraction(value: float) -> float:
    return value / 100 if value > 1 else value


def _compare(where: str, who: str, file: TensorFile, claim: float) -> Iterator[Seen]:
    """Compare a claim with what the tensors may mean by it: of masks, of all matrices, of all."""
    pruned = {name: file.weights[name] for name in file.masks if name in file.weights}
    meanings: dict[str, Mapping[str, Tensor]] = {
        "of the masks": file.masks,
        "of the masked weights": pruned,
        "of the matrices": matrices(file.weights),
        "of all weights": file.weights,
    }
    found = {word: sparsity_of(named) for word, named in meanings.items() if named}
    if not 0 <= claim <= 1 or any(abs(value - claim) <= TOLERANCE for value in found.values()):
        return
    figures = ", ".join(f"{value:.4f} {word}" for word, value in found.items())
    yield Seen(
        "severe",
        where,
        "the sparsity is not what is said",
        f"{who} says {claim:.4g} are zero; the file has {figures}",
    )


CHECK = Check(
    "sparsity-claim",
    "a sparsity that a name, a table or a study claims and the tensors have not",
    "networks are compared at sparsities that they do not have",
    "count what is 0 and report that; prune to an exact count, ties broken by index",
    of_study=_of_study,
    of_folder=_of_folder,
)
