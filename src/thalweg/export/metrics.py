"""Metrics epoch by epoch, in the columns of the published scripts."""

import polars as pl

from thalweg.store import RunDirectory

ALGORITHMS = {"sgd": "gd", "sgd_eg": "eg"}
"""What published scripts call an optimizer; others go by their own names."""

EPOCHS = ("Epoch", "Train Loss", "Train Acc (%)", "Test Loss", "Test Acc (%)")


def epoch_metrics(run: RunDirectory, begun: int = 0) -> pl.DataFrame:
    """Return the evaluated epochs that a run has trained for itself, a row each: the columns
    `EPOCHS`, and ``lr``.

    ``Train Loss`` is the mean minibatch loss over the epoch. ``Train Acc (%)`` is empty: nobody has
    counted it while the run was trained.

    Args:
        run: A complete run.
        begun: Epochs that had been trained where it began.
    """
    metrics = pl.read_parquet(run.path / "metrics.parquet")
    return metrics.filter(pl.col("epoch") > begun).select(
        pl.col("epoch").alias("Epoch"),
        pl.col("train_loss").alias("Train Loss"),
        pl.lit(None, pl.Float64).alias("Train Acc (%)"),
        pl.col("test_loss").alias("Test Loss"),
        (100 * pl.col("test_accuracy")).alias("Test Acc (%)"),
        "lr",
    )


def training_metrics(run: RunDirectory) -> pl.DataFrame:
    """Return the evaluated epochs of a training: the columns `EPOCHS`, ``LR``, that of the epoch's
    last step, ``Alg``, "gd", "eg" or the optimizer's name, and ``Seed``.
    """
    spec = run.spec()
    name = spec["optimizer"]["name"]
    return epoch_metrics(run).select(
        *EPOCHS,
        pl.col("lr").alias("LR"),
        pl.lit(ALGORITHMS.get(name, name)).alias("Alg"),
        pl.lit(spec["seed"]).alias("Seed"),
    )
