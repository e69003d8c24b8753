"""
A paired comparison
===================

Does weight decay pay? Both arms get the same seeds, and a seed gives them the same initial weights
and the same order of the data. What it does to both cancels in the difference, so that far fewer
seeds are needed than for two separate means.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import thalweg as tw

Path("decay.toml").write_text("""
[study]
name = "decay"
seeds = 10
[task]
name = "digits"
[model]
name = "mlp"
widths = [32]
[train]
epochs = 4
[optimizer]
name = "sgd"
lr = 0.3
[arms.plain]
[arms.decay]
optimizer.weight_decay = 0.01
""")
results = tw.load_study("decay.toml").run(jobs=1)
comparison = results.compare("decay", "plain")
print(comparison.verdict)

# %%
# A line a seed. What the means of the two arms spread over the seeds is mostly the seed's doing:

runs = results.frame().pivot("arm", index="seed", values="test_loss").sort("seed")
figure, axes = plt.subplots(figsize=(4, 3.2), layout="constrained")
axes.plot([0, 1], runs.select("plain", "decay").to_numpy().T, "o-", color="tab:blue", alpha=0.6)
axes.set_xticks([0, 1], ["plain", "decay"])
axes.set_xlim(-0.3, 1.3)
axes.set_ylabel("test loss")
figure
