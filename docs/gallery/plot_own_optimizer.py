"""
An optimizer of one's own
=========================

A class of twelve lines against gradient descent, each at its own best learning rate. In a study it
would lie in a module beside the study file; :doc:`Extending </extending>` has one of each kind.
"""

from pathlib import Path

import thalweg as tw

Path("centred.py").write_text('''
import torch


class Centred(torch.optim.Optimizer):
    """Gradient descent by gradients whose mean over a unit's inputs is 0."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                g = weight.grad
                weight -= group["lr"] * (g - g.mean(-1, keepdim=True) if g.ndim > 1 else g)
''')
Path("own.toml").write_text("""
[study]
name = "own"
seeds = 4
[task]
name = "digits"
[model]
name = "mlp"
widths = [32]
[train]
epochs = 3
[arms.centred]
optimizer = { name = "centred:Centred", lr = [0.1, 0.3, 1.0] }
[arms.gradient]
optimizer = { name = "sgd", lr = [0.1, 0.3, 1.0] }
""")
results = tw.load_study("own.toml", trust=True).run(jobs=1)
print(results.compare("centred", "gradient").verdict)

# %%
# Had each a fair chance? Is its best learning rate inside of its grid?

results.figure("sensitivity")
