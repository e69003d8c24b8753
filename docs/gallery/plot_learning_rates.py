"""
A sweep of learning rates
=========================

Where the best learning rate lies, how sure that is, and how far one may be off. The star is the
optimum by validation accuracy, the shade the 95 % bootstrap interval of its place, the band that
of the mean.
"""

from pathlib import Path

import thalweg as tw

Path("rates.toml").write_text("""
[study]
name = "rates"
seeds = 4
[task]
name = "digits"
[model]
name = "mlp"
widths = [32]
[train]
epochs = 4
[arms.sgd]
optimizer = { name = "sgd", lr = "1e-3..10:9" }
[arms.signsgd]
optimizer = { name = "signsgd", lr = "1e-5..1e-1:9" }
""")
results = tw.load_study("rates.toml").run(jobs=1)
results.figure("sensitivity")

# %%
# A diverged run is a result: it counts as the worst there is, and stays in the counts.

results.frame().group_by("arm", "status").len().sort("arm", "status")
