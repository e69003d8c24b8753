"""What a study left in the store, as frames: all that the report and the tables need."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from thalweg.registry import check_trusted

RUNS = {
    "run": pl.String,
    "arm": pl.String,
    "point": pl.String,
    "seed": pl.Int64,
    "status": pl.String,
    "task": pl.String,
    "model": pl.String,
    "optimizer": pl.String,
    "hyperparameters": pl.String,
    "axes": pl.String,
    "lr": pl.Float64,
    "batch_size": pl.String,
    "epochs": pl.Int64,
    "steps": pl.Int64,
    "diverged_step": pl.Int64,
    "parameters": pl.Int64,
    "train_loss": pl.Float64,
    "train_accuracy": pl.Float64,
    "validation_loss": pl.Float64,
    "validation_accuracy": pl.Float64,
    "test_loss": pl.Float64,
    "test_accuracy": pl.Float64,
    "examples": pl.Int64,
    "gradient_evaluations": pl.Int64,
    "loss_evaluations": pl.Int64,
    "products": pl.Int64,
    "flops": pl.Float64,
    "seconds": pl.Float64,
    "kept": pl.Float64,
    "effective_density": pl.Float64,
    "dead": pl.Int64,
    "zombies": pl.Int64,
    "forward_flops": pl.Int64,
    "nonzero_flops": pl.Int64,
    "backend": pl.String,
    "device": pl.String,
    "rows": pl.Int64,
    "message": pl.String,
}
"""Columns of the ``runs`` frame, one row an arm, grid point and seed.

``status`` is "done", "diverged", "failed" or "missing"; figures are null where there are none.
``point`` labels the grid point ("lr=0.01", "" where the arm has no grid) and ``axes`` is its JSON
({"optimizer.lr": 0.01}). Losses are means per example, accuracies lie in [0, 1] and are null for
regression. ``train_loss`` is evaluated on the whole training split with the final weights.
``seconds`` is the run's share of its cohort's wall time, ``rows`` the cohort's size.
``hyperparameters`` is JSON; ``message`` says why a run failed or counts as diverged.

Of runs with a sparsity: ``kept`` is the fraction of the weights it is about that is nonzero at
the end; of all weights ``effective_density`` is the share on a path from an input to an output,
``dead`` and ``zombies`` count units (see `thalweg.sparsity.connectivity`), ``forward_flops`` are
the operations of one example through the dense network, ``nonzero_flops`` those of its nonzero
weights. Null for dense runs, and all but ``kept`` for networks whose paths cannot be followed.
"""

ROUNDS = {
    "run": pl.String,
    "arm": pl.String,
    "point": pl.String,
    "seed": pl.Int64,
    "round": pl.Int64,
    "status": pl.String,
    "kept": pl.Float64,
    "effective_density": pl.Float64,
    "dead": pl.Int64,
    "zombies": pl.Int64,
    "forward_flops": pl.Int64,
    "nonzero_flops": pl.Int64,
    "validation_loss": pl.Float64,
    "validation_accuracy": pl.Float64,
    "test_loss": pl.Float64,
    "test_accuracy": pl.Float64,
    "steps": pl.Int64,
    "epochs": pl.Float64,
    "trained": pl.Boolean,
    "layers": pl.String,
    "examples": pl.Int64,
    "gradient_evaluations": pl.Int64,
    "flops": pl.Float64,
    "seconds": pl.Float64,
}
"""Columns of the ``rounds`` frame, one row an arm, grid point, seed and round of pruning; round 0
is the dense training. Figures are as in `RUNS`; of the dense network ``kept`` and
``effective_density`` are 1, ``dead`` and ``zombies`` 0.

``steps``, ``epochs`` and the costs are of this round's own training, after its pruning, up to a
divergence; ``trained`` tells whether there was a step: only then are the figures those of a
trained ticket.
``layers`` is JSON, the fraction kept of each pruned parameter. The rounds of a control before its
last are the ticket's own runs.
"""

PROBES = {
    "run": pl.String,
    "arm": pl.String,
    "point": pl.String,
    "seed": pl.Int64,
    "probe": pl.String,
    "figure": pl.String,
    "index": pl.Int64,
    "value": pl.Float64,
}
"""Columns of the ``probes`` frame, one row an arm, grid point, seed, probe and figure: ``probe`` is
the label it has in the study, ``index`` numbers the entries of a list from 0 and is null for a
single figure. Flags are 0 or 1; what is undefined is null.
"""

SERIES = {
    "run": pl.String,
    "arm": pl.String,
    "point": pl.String,
    "seed": pl.Int64,
    "probe": pl.String,
    "step": pl.Int64,
    "figure": pl.String,
    "index": pl.Int64,
    "value": pl.Float64,
}
"""Columns of the ``series`` frame: as `PROBES`, of probes that look at the runs while they train.

``step`` numbers the step, from 0, before which it was looked. Figures of the whole training have
none: ``seconds`` and ``gradient_evaluations`` are what the looks have cost the run, which its own
costs leave out.
"""

METRICS = {
    "run": pl.String,
    "epoch": pl.Int64,
    "step": pl.Int64,
    "lr": pl.Float64,
    "train_loss": pl.Float64,
    "validation_loss": pl.Float64,
    "validation_accuracy": pl.Float64,
    "test_loss": pl.Float64,
    "test_accuracy": pl.Float64,
    "examples": pl.Int64,
    "gradient_evaluations": pl.Int64,
    "loss_evaluations": pl.Int64,
    "products": pl.Int64,
    "flops": pl.Float64,
    "seconds": pl.Float64,
}
"""Columns of the ``metrics`` frame, one row a run and evaluated epoch; epoch 0 is the
initialisation. ``train_loss`` here is the mean minibatch loss over the epoch, null at epoch 0.
The costs (see `thalweg.cohort.cost.Cost`) count from the start of the run to the end of this
evaluation; those that an older version did not record are null."""

CONFUSION = {"run": pl.String, "true": pl.Int64, "predicted": pl.Int64, "count": pl.Int64}
"""Columns of the ``confusion`` frame: test examples by true and predicted class at the end."""


@dataclass(frozen=True)
class StudyResults:
    """The results of one study.

    Attributes:
        name: The study's name, also the folder under ``OUT/studies``.
        title: One line for people.
        question: The question the study asks; "" where none was given.
        runs: See `RUNS`.
        metrics: See `METRICS`.
        confusion: See `CONFUSION`.
        class_names: Names of the classes for each task in `runs`; absent for regression.
        selection: "validation_accuracy", "validation_loss", "test_accuracy" or "test_loss": the
            figure by which grid points are chosen. Never a test figure where a validation split
            exists.
        provenance: "command", "study_file" (its TOML text), "source" (hash of the package's
            source), "versions", "machine", "started" and "finished" (ISO 8601), "warnings";
            "sequential" tells how seeds were added look by look ("max_seeds", "metric", "looks",
            "stop"), None where all were planned.
        targets: Figures whose cost is asked for, by metric (a column of `METRICS`), or
            ``median:ARM`` for the median of an arm's runs.
        rounds: See `ROUNDS`.
        masks: File of the final mask of each pruned run in `rounds`, by run.
        probes: See `PROBES`.
        series: See `SERIES`.
        round_probes: As ``probes``, of the runs in `rounds`.
        round_series: As ``series``, of the runs in `rounds`.
        grids: All figures of the probes that leave lists of lists (the loss on a plane, the nodes
            of a quadrature) or of names (of layers), by run and the probe's label. Of probes that
            look at the weights alone, of the runs in `rounds` too.
    """

    name: str
    title: str
    question: str
    runs: pl.DataFrame
    metrics: pl.DataFrame
    confusion: pl.DataFrame
    class_names: dict[str, list[str]]
    selection: str
    provenance: dict[str, Any]
    targets: dict[str, list[float | str]] = field(default_factory=dict)
    rounds: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ROUNDS))
    masks: dict[str, Path] = field(default_factory=dict)
    probes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PROBES))
    series: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SERIES))
    grids: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    round_probes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PROBES))
    round_series: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SERIES))

    def check_trusted(self) -> None:
        """Check that all code that the runs name may be imported.

        Raises:
            TrustError: Some may not.
        """
        for kind in ("task", "model", "optimizer"):
            for name in self.runs[kind].drop_nulls().unique().sort():
                check_trusted(kind, name)
