"""
A plane through the loss
========================

The loss on the plane of the two steepest directions around a trained network, and of two random
ones whose filters are as long as those of the weights (Li et al., arXiv:1712.09913). Most
directions are flat, so that a random plane shows little of what an optimizer meets.
"""

import matplotlib.pyplot as plt
import torch

import thalweg as tw
from thalweg.measure.landscape import filter_normalized, steps_of, surface
from thalweg.measure.subject import Subject

task = tw.data.load_task("digits", {})
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
)
optimizer = tw.optim.Momentum(model.parameters(), lr=0.05)
for _ in range(6):
    for rows in torch.randperm(len(task.train)).split(32):
        inputs, targets = task.train.batch(rows)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()

subject = Subject.of(model.eval(), task)
layout, weights = subject.cohort.layout, subject.cohort.W[0]
random = [filter_normalized(weights, layout, seed=0, index=index) for index in range(2)]
steepest = list(tw.measure.hessian(model, task).top(2).vectors[0])

figure, panels = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
planes = (("two random directions", random, 1.0), ("the two steepest", steepest, 2.0))
for axes, (name, directions, radius) in zip(panels, planes, strict=True):
    found = surface(subject, directions, [steps_of(radius, 31)] * 2)
    lines = axes.contour(*found.steps, found.loss.T.log10(), levels=12)
    axes.clabel(lines, fontsize=7)
    axes.plot(0, 0, "k+")
    axes.set_title(f"log10 loss, {name}", fontsize=9)
figure
