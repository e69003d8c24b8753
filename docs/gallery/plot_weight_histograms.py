"""
What weights become
===================

Gradient descent adds to a weight, exponentiated gradient multiplies it. Where many steps have
added, sizes are spread as those of a normal distribution, which falls off slowly to the left of a
logarithmic axis; where many have multiplied, they go towards a log-normal one, a bell on it.
"""

from pathlib import Path

import polars as pl

import thalweg as tw

Path("weights.toml").write_text("""
[study]
name = "weights"
seeds = 2
[task]
name = "digits"
[model]
name = "mlp"
widths = [64, 64]
[train]
epochs = 30
[arms.gd]
optimizer = { name = "sgd", lr = 0.1 }
[arms.eg]
optimizer = { name = "sgd_eg", lr = 1.0, split_bias = 0.1 }
[[probes]]
name = "weights"
""")
results = tw.load_study("weights.toml").run(jobs=1)
results.figure("weights-digits-mlp-weights")

# %%
# *Gain* is by how much the log-likelihood of a weight is higher under a log-normal distribution
# than under the better of a half-normal and an exponential one:

weights = results.probes().filter(
    pl.col("figure").is_in(["lognormal", "half_normal", "exponential"])
)
figures = weights.pivot("figure", index=["arm", "seed", "index"], values="value").with_columns(
    gain=pl.col("lognormal") - pl.max_horizontal("half_normal", "exponential")
)
figures.group_by("arm", "index").agg(pl.col("gain").mean()).pivot("arm", index="index").sort(
    "index"
)
