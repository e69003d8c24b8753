"""
The graph of a mask
===================

Which units does a pruned network connect? The kept weights are edges. How many edges the units of
the first layer have is held against random graphs with the same number of edges in every layer:
pruning by size leaves some units with many and some with none, as chance would not.
"""

import matplotlib.pyplot as plt
import torch

import thalweg as tw
from thalweg.measure.graphs import mask_graphs, measure_graph

task = tw.data.load_task("digits", {})
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
)
optimizer = tw.optim.Nesterov(model.parameters(), lr=0.1)
for _ in range(10):
    for rows in torch.randperm(len(task.train)).split(32):
        inputs, targets = task.train.batch(rows)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()

masks = tw.sparsity.prune(model, 0.9)
chance = tw.sparsity.random_like(masks, seed=0)

# %%
# Edges of each of the 64 pixels and of each of the 32 hidden units, sorted:

figure, panels = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
for axes, dim, units in zip(panels, (0, 1), ("pixel", "hidden unit"), strict=True):
    for name, kept in (("kept by size", masks), ("kept at random", chance)):
        degrees = kept["1.weight"].sum(dim).sort(descending=True).values
        axes.plot(degrees, drawstyle="steps-mid", label=name)
    axes.set_xlabel(f"{units}, most connected first")
    axes.set_ylabel("edges")
panels[0].legend()
figure

# %%
# And what the measures of graphs say of the whole network:

for name, kept in (("by size", masks), ("at random", chance)):
    found = measure_graph(mask_graphs(kept)[-1])
    print(f"{name:10}", {key: round(found[key], 3) for key in ("isolated", "in_degree_variance")})
