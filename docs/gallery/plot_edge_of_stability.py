"""
The edge of stability
=====================

Gradient descent on the full batch. The largest eigenvalue of the Hessian rises until a step of
that size is only just stable, λ = 2/η, or even a little further (Cohen et al., arXiv:2103.00065).
Under cross-entropy it falls again when the examples are fitted. So the step size has a say in how
flat the place is that training comes to.
"""

from pathlib import Path

import thalweg as tw

Path("edge.toml").write_text("""
[study]
name = "edge"
seeds = 4
[task]
name = "digits"
[model]
name = "mlp"
widths = [32]
[train]
epochs = 240
batch_size = "full"
evaluate_every = 240
[arms."η = 0.25"]
optimizer = { name = "sgd", lr = 0.25 }
[arms."η = 0.5"]
optimizer = { name = "sgd", lr = 0.5 }
[[probes]]
name = "dynamics"
instruments = ["loss", "edge"]
when = "every:12"
examples = 300
""")
results = tw.load_study("edge.toml").run(jobs=1)

# %%
# The largest eigenvalue over 2/η, at every twelfth step; above 1 a step is unstable.

results.figure("dynamics-digits-mlp-dynamics-edge")

# %%
# The eigenvalue itself: the larger step comes to the flatter place.

results.figure("dynamics-digits-mlp-dynamics-lambda_max")
