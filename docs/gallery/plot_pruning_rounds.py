"""
Pruning round by round
======================

A lottery ticket: train, remove the smallest weights, put the others back to where they were after
the first epoch, train again. The control beside it keeps as many weights in every layer, chosen at
random. What the ticket is better by is what the choice of weights is worth.
"""

from pathlib import Path

import polars as pl

import thalweg as tw

Path("ticket.toml").write_text("""
[study]
name = "ticket"
seeds = 3
[task]
name = "digits"
[model]
name = "mlp"
widths = [32, 32]
[optimizer]
name = "sgd"
momentum = 0.9
lr = 0.03
[train]
epochs = 5
[arms.ticket.sparsity]
name = "imp"
keep = [0.5, 0.25, 0.12, 0.06]
rewind = "epoch:1"
controls = ["random"]
""")
results = tw.load_study("ticket.toml").run(jobs=1)
results.figure("imp_recovery-accuracy")

# %%
# The same in numbers, a row an arm and round:

means = results.rounds().group_by("arm", "round").agg(pl.col("kept", "test_accuracy").mean())
means.sort("arm", "round")
