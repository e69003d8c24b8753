"""Surfaces and lines against networks that are loaded and evaluated one by one."""

import copy

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from tests.measure.curvature.written_out import network, task
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from thalweg.cohort.losses import example_losses
from thalweg.data import Task
from thalweg.errors import InputError
from thalweg.measure.curvature import curvature_of
from thalweg.measure.landscape import (
    filter_normalized,
    interpolate,
    steps_of,
    surface,
    trajectory_plane,
)
from thalweg.measure.subject import Subject

F64 = torch.float64


def loss_at(module: nn.Module, data: Task, weights: Tensor) -> float:
    there = copy.deepcopy(module)
    vector_to_parameters(weights, there.parameters())
    inputs, targets = data.train.batch(slice(None))
    with torch.no_grad():
        return float(example_losses(data.loss, there(inputs), targets).mean())


@pytest.mark.parametrize("kind", ["mlp", "conv", "rnn", "regression"])
def test_a_surface_is_the_loss_of_the_networks_on_it(kind: str) -> None:
    module, data = network(kind), task(kind)
    subject = Subject.of(module, data, dtype=F64)
    w = parameters_to_vector(module.parameters()).detach()
    d1, d2 = (filter_normalized(w, subject.cohort.layout, 0, i) for i in range(2))
    alphas, betas = steps_of(1.0, 5), steps_of(0.5, 3)
    found = surface(subject, [d1, d2], [alphas, betas])
    for i, α in enumerate(alphas):
        for j, β in enumerate(betas):
            expected = loss_at(module, data, w + α * d1 + β * d2)
            assert float(found.loss[i, j]) == pytest.approx(expected, rel=1e-9)
    assert found.at_origin == float(subject.loss()[0])
    assert found.at_origin == float(found.loss[2, 1])
    line = surface(subject, [d1], [alphas])
    torch.testing.assert_close(line.loss, found.loss[:, 1], rtol=1e-12, atol=0)
    assert torch.equal(parameters_to_vector(module.parameters()), w)
    assert found.accuracy.isnan().all() == (kind == "regression")


def test_a_filter_of_a_direction_is_as_long_as_that_of_the_weights() -> None:
    module = network("conv")
    layout = Subject.of(module, task("conv"), dtype=F64).cohort.layout
    w = parameters_to_vector(module.parameters()).detach()
    own, found = layout.views(w), layout.views(filter_normalized(w, layout, 7))
    for name, d in found.items():
        if "bias" in name:
            assert not d.any()
        else:
            torch.testing.assert_close(d.flatten(1).norm(dim=1), own[name].flatten(1).norm(dim=1))
    other = layout.views(filter_normalized(w, layout, 7, 1))
    cosine = torch.cosine_similarity(found["fc.weight"].flatten(), other["fc.weight"].flatten(), 0)
    assert abs(cosine) < 0.5


def test_a_direction_keeps_to_a_mask_and_a_filter_of_zeros_stays() -> None:
    module = network("mlp")
    with torch.no_grad():
        module.get_parameter("layers.0.weight")[1] = 0
    layout = Subject.of(module, task("mlp"), dtype=F64).cohort.layout
    w = parameters_to_vector(module.parameters()).detach()
    mask = torch.rand(layout.size) < 0.5
    d = filter_normalized(w, layout, 0, mask=mask)
    assert not d[~mask].any()
    assert d.isfinite().all()
    assert not layout.views(d)["layers.0.weight"][1].any()


def test_along_an_eigenvector_the_loss_bends_by_its_eigenvalue() -> None:
    module, data = network("mlp"), task("mlp")
    matrix = curvature_of(module, data, dtype=F64)
    found = matrix.top(1, tolerance=1e-8)
    h = 1e-3
    line = surface(matrix.subject, [found.vectors[0, 0]], [steps_of(h, 3)])
    bend = (line.loss[0] - 2 * line.loss[1] + line.loss[2]) / h**2
    assert float(bend) == pytest.approx(float(found.values[0, 0]), rel=1e-3)


def test_the_plane_of_a_trajectory() -> None:
    draw = torch.Generator().manual_seed(0)
    path = torch.randn(12, 40, generator=draw, dtype=F64).cumsum(0)
    found = trajectory_plane(path)
    moved = (path - path[-1]).numpy()
    oracle = TruncatedSVD(2, algorithm="arpack", random_state=0).fit(moved)
    alike = np.abs(found.directions.numpy() @ oracle.components_.T)
    assert alike == pytest.approx(np.eye(2), abs=1e-6)
    sizes = np.linalg.svd(moved, compute_uv=False) ** 2
    assert found.explained.numpy() == pytest.approx(sizes[:2] / sizes.sum())
    assert found.path.numpy() == pytest.approx(moved @ found.directions.numpy().T)
    assert not found.path[-1].any()
    with pytest.raises(InputError, match="takes three checkpoints, not 2"):
        trajectory_plane(path[:2])
    with pytest.raises(InputError, match="lie on a line"):
        trajectory_plane(torch.arange(5.0)[:, None] * torch.ones(3))


def test_between_two_networks() -> None:
    modules, data = [network("mlp", seed) for seed in range(2)], task("mlp")
    subject = Subject.of(modules, data, dtype=F64)
    found = interpolate(subject, points=11)
    ends = [parameters_to_vector(each.parameters()).detach() for each in modules]
    for α, loss in zip(found.places, found.loss, strict=True):
        expected = loss_at(modules[0], data, (1 - α) * ends[0] + α * ends[1])
        assert float(loss) == pytest.approx(expected, rel=1e-9)
    losses = found.loss.numpy()
    line = np.linspace(losses[0], losses[-1], 11)
    assert found.barrier == pytest.approx((losses - line).max())
    assert interpolate(subject, 1, 1).barrier == pytest.approx(0, abs=1e-12)
    with pytest.raises(InputError, match="points = 2: must be at least 3"):
        interpolate(subject, points=2)


def test_between_two_masks_lies_their_union() -> None:
    modules, data = [network("mlp", seed) for seed in range(2)], task("mlp")
    masks = [torch.rand(5, 6) < 0.4 for _ in range(2)]
    for module, mask in zip(modules, masks, strict=True):
        with torch.no_grad():
            module.get_parameter("layers.0.weight").mul_(mask)
    found = interpolate(Subject.of(modules, data, dtype=F64), points=3)
    total = int(found.nonzero[0]) - int(masks[0].sum())
    assert found.nonzero.tolist() == [
        total + int(masks[0].sum()),
        total + int((masks[0] | masks[1]).sum()),
        total + int(masks[1].sum()),
    ]


def test_a_grid_without_the_network_is_refused() -> None:
    for points in (1, 4):
        with pytest.raises(InputError, match=f"points = {points}: must be odd"):
            steps_of(1.0, points)
    with pytest.raises(InputError, match=r"radius = 0.0: must be greater than 0"):
        steps_of(0.0, 5)
    subject = Subject.of(network("mlp"), task("mlp"), dtype=F64)
    with pytest.raises(InputError, match="0 must be among the places"):
        surface(subject, [subject.cohort.W[0]], [torch.tensor([0.5, 1.0])])
