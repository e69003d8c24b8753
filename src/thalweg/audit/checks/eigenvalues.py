"""Eigenvalues that are not converged, not in order, or no more than noise."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.tables import Table

_FIRST = r"(?:lambda|λ|eig(?:en)?(?:value)?s?|top)[_ ]?[1₁]"
_SECOND = r"(?:lambda|λ|eig(?:en)?(?:value)?s?|top)[_ ]?[2₂]"
_RATIO = (
    rf"(?:lambda|eig(?:en)?(?:value)?|spectral|gap)[_ ]?(?:gap[_ ]?)?ratio|{_FIRST} ?/ ?{_SECOND}|"
    r"l1[_/]l2|ratio"
)
_GAP = rf"(?:spectral[_ ])?gap|{_FIRST} ?[-−] ?{_SECOND}"
_CONVERGED = r"converged"

Figures = dict[str, list[float]]
"""What one measurement of one run has left."""


def measured(study: RecordedStudy) -> Iterator[tuple[str, str, list[Figures]]]:
    """Yield probe, arm and the figures of each of its runs, of the probes that have eigenvalues."""
    found: dict[tuple[str, str], dict[tuple[str, str], Figures]] = {}
    for row in study.results.probes.sort("index", maintain_order=True).to_dicts():
        runs = found.setdefault((row["probe"], row["arm"]), {})
        figures = runs.setdefault((row["run"], row["point"]), defaultdict(list))
        figures[row["figure"]].append(math.nan if row["value"] is None else row["value"])
    for (probe, arm), runs in found.items():
        eigen = [figures for figures in runs.values() if "eigenvalues" in figures]
        if eigen:
            yield probe, arm, eigen


def _convergence_of_study(study: RecordedStudy) -> Iterator[Seen]:
    for probe, arm, runs in measured(study):
        flags = [flag for figures in runs for flag in figures.get("converged", [])]
        missed = sum(flag == 0 for flag in flags)
        if missed:
            yield Seen(
                "severe" if missed > len(flags) / 2 else "warning",
                f"{arm}, probe {probe}",
                "eigenvalues are not converged",
                f"{missed} of {len(flags)} in {len(runs)} runs",
            )


def _convergence_of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        column = table.find(_CONVERGED)
        if column is None:
            continue
        flags = [row[column].strip().lower() for row in table.rows]
        missed = sum(flag in ("false", "0", "no", "0.0") for flag in flags)
        if missed:
            yield Seen(
                "severe" if missed > len(flags) / 2 else "warning",
                table.where,
                "eigenvalues are not converged",
                f"{missed} of {len(flags)} rows say so",
            )


def _order_of_study(study: RecordedStudy) -> Iterator[Seen]:
    for probe, arm, runs in measured(study):
        wrong = [own["eigenvalues"] for own in runs if _misordered(own["eigenvalues"])]
        if wrong:
            yield Seen(
                "severe",
                f"{arm}, probe {probe}",
                "eigenvalues are not in order",
                f"{len(wrong)} of {len(runs)} runs, such as {wrong[0]}",
            )


def _misordered(values: list[float]) -> bool:
    rising = all(a <= b for a, b in itertools.pairwise(values))
    falling = all(a >= b for a, b in itertools.pairwise(values))
    return not rising and not falling


def _order_of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        first, second, ratio = (table.find(p) for p in (_FIRST, _SECOND, _RATIO))
        if first is not None and second is not None:
            pairs = list(zip(table.numbers(first), table.numbers(second), strict=True))
            wrong = [f"{a:g} and {b:g}" for a, b in pairs if a < b]
            if wrong:
                yield _disorder(table, f"{first} < {second}", wrong)
        if ratio is not None and (ratio.lower() != "ratio" or first is not None):
            below = [f"{value:g}" for value in table.numbers(ratio) if 0 <= value < 1]
            if below:
                yield _disorder(table, f"{ratio} < 1", below)


def _disorder(table: Table, what: str, examples: list[str]) -> Seen:
    return Seen(
        "severe",
        table.where,
        "the largest eigenvalue is smaller than the second",
        f"{what} in {len(examples)} of {len(table.rows)} rows: {', '.join(examples[:4])}",
    )


def _noise_of_study(study: RecordedStudy) -> Iterator[Seen]:
    for probe, arm, runs in measured(study):
        known = [own for own in runs if "gap_error" in own]
        within = [own for own in known if not own["ratio"][0] - own["ratio_error"][0] > 1]
        if known and len(within) > len(known) / 2:
            figures = [
                f"{own['ratio'][0]:.3g} ± {own['ratio_error'][0]:.2g}"
                for own in within
                if not math.isnan(own["ratio"][0])
            ]
            shown = f"λ1/λ2 {', '.join(figures[:3])}" if figures else "λ1/λ2 undefined in all"
            yield Seen(
                "warning",
                f"{arm}, probe {probe}",
                "the spectral gap is within its own error",
                f"{len(within)} of {len(known)} runs: {shown}",
            )


def _noise_of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        for pattern, floor in ((_RATIO, 1.0), (_GAP, 0.0)):
            column = table.find(pattern)
            if column is None:
                continue
            pairs = zip(table.numbers(column), table.errors(column), strict=True)
            known = [(value, error) for value, error in pairs if not math.isnan(value + error)]
            within = [f"{value:g} ± {error:g}" for value, error in known if value - error <= floor]
            if within and len(within) >= len(known) / 2:
                yield Seen(
                    "warning",
                    table.where,
                    f"{column} is at the noise floor",
                    f"{len(within)} of {len(known)} rows within one error of {floor:g}: "
                    f"{', '.join(within[:4])}",
                )


CONVERGENCE = Check(
    "unconverged-eigenvalues",
    "eigenvalues whose solver had not converged",
    "they lie below the true ones by an unknown amount",
    "allow more products, or report the residual beside each",
    of_study=_convergence_of_study,
    of_folder=_convergence_of_folder,
)
ORDER = Check(
    "misordered-eigenvalues",
    "a first eigenvalue below the second, λ1/λ2 < 1",
    "the solver did not converge, or the columns are other ones than they say",
    "sort what the solver returns, and iterate until the residual is small",
    of_study=_order_of_study,
    of_folder=_order_of_folder,
)
NOISE = Check(
    "gap-at-noise-floor",
    "a spectral gap or ratio within its own error",
    "it says nothing of the network: on another sample it may be the other way round",
    "measure on more examples, or call it undefined",
    of_study=_noise_of_study,
    of_folder=_noise_of_folder,
)
