"""
The spectrum of the Hessian
===========================

How the loss bends around a trained network: in nearly all directions not at all, in about as many
as there are classes steeply. The density is of stochastic Lanczos quadrature, the marks are the
largest eigenvalues by Lanczos.
"""

import matplotlib.pyplot as plt
import torch

import thalweg as tw

task = tw.data.load_task("digits", {})
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10)
)
optimizer = tw.optim.Momentum(model.parameters(), lr=0.05)
for _ in range(10):
    for rows in torch.randperm(len(task.train)).split(32):
        inputs, targets = task.train.batch(rows)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()

hessian = tw.measure.hessian(model.eval(), task)
top = hessian.top(10)
print("largest eigenvalues", [round(value, 2) for value in top.values[0].tolist()])
print("all converged", bool(top.converged.all()))

# %%
# On a logarithmic axis, for the hill at 0 holds nearly all of the directions:

places, density = hessian.density().curve()[:2]
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
axes.semilogy(places.flatten(), density.flatten())
axes.plot(top.values[0], torch.full((10,), float(density[density > 0].min())), "|", color="tab:red")
axes.set_ylim(1e-6)
axes.set_xlabel("eigenvalue")
axes.set_ylabel("density")
figure
