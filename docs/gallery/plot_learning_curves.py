"""
Learning curves
===============

How three optimizers come down, each at the learning rate that the validation split chose. The
lines are means over seeds, the bands 95 % intervals of the mean; all arms start from the same
weights at the same seed.
"""

from pathlib import Path

import thalweg as tw

Path("curves.toml").write_text("""
[study]
name = "curves"
seeds = 4
[task]
name = "digits"
[model]
name = "mlp"
widths = [32]
[train]
epochs = 6
[arms.sgd]
optimizer = { name = "sgd", lr = [0.1, 0.3, 1.0] }
[arms.adam]
optimizer = { name = "adam", lr = [0.001, 0.003, 0.01] }
[arms.sam]
optimizer = { name = "sam", lr = [0.1, 0.3, 1.0] }
""")
results = tw.load_study("curves.toml").run(jobs=1)
results

# %%
# Accuracy on the test split after every epoch:

results.figure("curve-digits-mlp-test_accuracy")

# %%
# And the loss, on a logarithmic axis:

results.figure("curve-digits-mlp-test_loss")
