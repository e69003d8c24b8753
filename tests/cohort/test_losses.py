"""The losses that are trained on, and those that runs are judged by."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from thalweg.cohort import AutogradBackend, Batch, Cohort, GradientBackend, NativeBackend
from thalweg.cohort.planner import examine

SMOOTHING = 0.2


@pytest.mark.parametrize("kind", ["loop", "stacked", "native"])
def test_label_smoothing(kind: str, small_task: Any) -> None:
    """Gradients and losses are those of smoothed targets; evaluation is of the true ones."""
    task = small_task("digits", torch.float64)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Tanh(), nn.Linear(5, 10)).double()
    cohort = Cohort([module], [0], dtype=torch.float64)
    backend: GradientBackend
    if kind == "native":
        chain = examine(module, task.shape).chain
        if chain is None:
            pytest.skip("the compiled kernels were not built")
        backend = NativeBackend(task.loss, chain, SMOOTHING)
    else:
        backend = AutogradBackend(task.loss, kind == "stacked", label_smoothing=SMOOTHING)
    batch = Batch(task.train, torch.arange(23), 0)
    x, y = task.train.batch(batch.index)
    targets = (1 - SMOOTHING) * torch.eye(10, dtype=torch.float64)[y] + SMOOTHING / 10
    loss = cross_entropy(module(x), targets)
    loss.backward()
    expected = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
    torch.testing.assert_close(backend.gradient(cohort, batch)[0], loss.detach())
    torch.testing.assert_close(cohort.G[0], expected)
    torch.testing.assert_close(backend.losses(cohort, batch)[0], loss.detach())
    x, y = task.test.batch(slice(0, len(task.test)))
    plain = cross_entropy(module(x), y).item()
    assert backend.evaluate(cohort, task.test).loss[0].item() == pytest.approx(plain, 1e-9)
