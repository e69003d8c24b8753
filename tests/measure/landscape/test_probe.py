"""The landscape probe against networks that are evaluated one by one in double precision."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.measure.curvature.written_out import as_function, dense, network, task
from torch import Tensor

from thalweg.cohort.losses import example_losses
from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix, curvature_of
from thalweg.measure.figures import Figures
from thalweg.measure.landscape import Surface, probes, surface
from thalweg.measure.landscape.path import coordinates, steps_over
from thalweg.measure.origin import Origin, TrainingPath
from thalweg.measure.probes import check_options, run_probe
from thalweg.measure.subject import Subject
from thalweg.randomness import generator
from thalweg.sparsity.masks import Masks

F64 = torch.float64


def landscape(matrix: CurvatureMatrix, **options: Any) -> list[Figures]:
    checked = check_options("landscape", options, "probes.landscape")
    return run_probe(matrix, "landscape", checked)


class Wandered(Origin):
    """A past that is known."""

    def __init__(self, masks: Masks | None, weights: Sequence[dict[str, Tensor]]) -> None:
        super().__init__(masks)
        self.weights = tuple(weights)

    def path(self, count: int) -> TrainingPath:
        assert count == len(self.weights)
        return TrainingPath(tuple(range(0, 10 * count, 10)), self.weights)


def trained(kind: str, masked: bool = False) -> tuple[Any, Any, Wandered]:
    """Return a network, its task, and a path that wanders to the network, whose mask may be set."""
    module, data = network(kind), task(kind)
    draw = torch.Generator().manual_seed(3)
    masks = None
    if masked:
        masks = {"layers.0.weight": torch.rand(5, 6, generator=draw) < 0.5}
        with torch.no_grad():
            module.get_parameter("layers.0.weight").mul_(masks["layers.0.weight"])
    path: list[dict[str, Tensor]] = []
    weights = {name: w.detach().clone() for name, w in module.named_parameters()}
    for _ in range(6):
        path.insert(0, weights)
        weights = {
            name: w + 0.3 * torch.randn(w.shape, generator=draw, dtype=F64)
            for name, w in weights.items()
        }
    return module, data, Wandered(masks, path)


def flat(weights: Any) -> Tensor:
    return torch.cat([w.reshape(-1) for w in weights.values()])


@pytest.mark.parametrize("kind", ["mlp", "conv", "rnn"])
def test_losses_on_the_grid_and_of_the_classes(kind: str) -> None:
    module, data, _ = trained(kind)
    matrix = curvature_of(module, data, dtype=F64)
    (found,) = landscape(matrix, points=5, radius=0.7, classes=True)
    w, outputs = as_function(module, data)
    d = along(matrix)
    _, targets = data.train.batch(slice(None))
    assert found["steps"][0] == pytest.approx([-0.7, -0.35, 0, 0.35, 0.7])
    assert found["steps"][1] == found["steps"][0]
    for i, a in enumerate(found["steps"][0]):
        for j, b in enumerate(found["steps"][1]):
            there = outputs(w + a * d[0] + b * d[1])
            losses = example_losses(data.loss, there, targets)
            assert found["loss"][i][j] == pytest.approx(float(losses.mean()), rel=1e-9)
            right = (there.argmax(1) == targets).double().mean()
            assert found["accuracy"][i][j] == pytest.approx(float(right))
            for c in range(3):
                expected = float(losses[targets == c].mean())
                assert found["class_loss"][c][i][j] == pytest.approx(expected, rel=1e-9)
    assert found["loss"][2][2] == float(matrix.subject.losses_at([matrix.subject.cohort.W]).loss)
    assert found["examples"] == 37
    assert "path" not in found


def along(matrix: CurvatureMatrix) -> Tensor:
    """Return the random directions of filters' norms, drawn and scaled by hand."""
    layout, w = matrix.subject.cohort.layout, matrix.subject.cohort.W[0]
    rows = []
    for index in range(2):
        d = torch.randn(layout.size, generator=generator(0, "probe", 2, index)).double()
        for name, part in layout.views(d).items():
            if part.ndim == 1:
                part.zero_()
                continue
            for filter_, own in zip(part, layout.views(w)[name], strict=True):
                filter_.mul_(own.norm() / filter_.norm())
        rows.append(d)
    return torch.stack(rows)


def test_a_class_without_examples_has_no_loss_and_regression_no_classes() -> None:
    module, data, _ = trained("mlp")
    only = data.train.subset((data.train.targets != 1).nonzero().flatten())
    matrix = curvature_of(module, replace(data, train=only), dtype=F64)
    (found,) = landscape(matrix, points=3, classes=True)
    assert np.isnan(found["class_loss"][1]).all()
    assert np.isfinite([found["class_loss"][0], found["class_loss"][2]]).all()
    matrix = curvature_of(network("regression"), task("regression"), dtype=F64)
    (found,) = landscape(matrix, points=3)
    assert np.isnan(found["accuracy"]).all()
    with pytest.raises(InputError, match="classes = true: must be false for task 'sine'"):
        landscape(matrix, points=3, classes=True)


def test_the_plane_of_two_eigenvectors() -> None:
    module, data, _ = trained("mlp")
    (found,) = landscape(
        curvature_of(module, data, dtype=F64), directions="eigenvectors", points=3, radius=1e-3
    )
    values = torch.linalg.eigvalsh(dense("mlp", "hessian", module, data))
    assert found["eigenvalues"] == pytest.approx(values[[-1, -2]].tolist(), rel=1e-2)
    assert found["converged"] == [True, True]
    assert found["products"] >= 2
    loss = np.array(found["loss"])
    bends = [loss[0, 1] + loss[2, 1], loss[1, 0] + loss[1, 2]]
    second = [(bend - 2 * loss[1, 1]) / 1e-6 for bend in bends]
    assert second == pytest.approx(values[[-1, -2]].tolist(), rel=2e-2)


@pytest.mark.parametrize("masked", [False, True])
def test_the_path_in_its_own_plane_and_in_others(masked: bool) -> None:
    module, data, origin = trained("mlp", masked)
    matrix = curvature_of(module, data, dtype=F64, origins=[origin])
    (found,) = landscape(matrix, directions="trajectory", points=7, path=6)
    w, outputs = as_function(module, data)
    moved = torch.stack([flat(each) for each in origin.weights]) - w
    if masked:
        assert origin.masks is not None
        moved[:, :30] *= origin.masks["layers.0.weight"].reshape(-1)
    _, sizes, vectors = np.linalg.svd(moved[:-1].numpy(), full_matrices=False)
    turn = np.sign((moved.numpy() @ vectors[:2].T)[0] * np.array(found["path"])[0])
    directions = vectors[:2] * turn[:, None]
    assert np.array(found["path"]) == pytest.approx(moved.numpy() @ directions.T)
    assert found["explained"] == pytest.approx(list(sizes[:2] ** 2 / (sizes**2).sum()))
    assert found["path_steps"] == [0, 10, 20, 30, 40, 50]
    inside = np.array(found["path"])
    for steps, places in zip(found["steps"], inside.T, strict=True):
        assert len(steps) == 7 and 0 in steps
        assert steps[0] < min(places) and max(places) < steps[-1]
        assert np.diff(steps) == pytest.approx(steps[1] - steps[0])
    _, targets = data.train.batch(slice(None))
    for i, j in ((0, 0), (2, 5), (6, 6)):
        a, b = found["steps"][0][i], found["steps"][1][j]
        there = w + torch.from_numpy(a * directions[0] + b * directions[1])
        if masked:
            assert origin.masks is not None
            assert not there[:30][~origin.masks["layers.0.weight"].reshape(-1)].any()
        expected = float(example_losses(data.loss, outputs(there), targets).mean())
        assert found["loss"][i][j] == pytest.approx(expected, rel=1e-9)

    (other,) = landscape(matrix, points=3, path=6)
    assert len(other["path"]) == 6 and other["path"][-1] == [0, 0]
    assert "explained" not in other


def test_the_nearest_place_in_a_plane_whose_directions_are_not_square() -> None:
    draw = torch.Generator().manual_seed(0)
    directions = torch.randn(2, 30, generator=draw, dtype=F64)
    directions[1] += 3 * directions[0]
    moved = torch.randn(4, 30, generator=draw, dtype=F64)
    expected, *_ = np.linalg.lstsq(directions.numpy().T, moved.numpy().T, rcond=None)
    assert coordinates(moved, directions).numpy() == pytest.approx(expected.T)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("directions", ["random", "eigenvectors"])
def test_masked_weights_do_not_move(
    directions: str, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, data, origin = trained("mlp", masked)
    seen: list[Sequence[Tensor]] = []

    def watched(subject: Subject, directions: Sequence[Tensor], *rest: Any) -> Surface:
        seen.append(directions)
        return surface(subject, directions, *rest)

    monkeypatch.setattr(probes, "surface", watched)
    matrix = curvature_of(
        module, data, dtype=F64, origins=[origin], parameters=None if masked else ["layers.2.*"]
    )
    landscape(matrix, directions=directions, points=3)
    ((first, second),) = seen
    slices = matrix.subject.cohort.layout.slices
    for d in (first, second):
        if masked:
            assert origin.masks is not None
            layer = d[slices["layers.0.weight"]].view(5, 6)
            assert not layer[~origin.masks["layers.0.weight"]].any()
            assert layer[origin.masks["layers.0.weight"]].all()
        else:
            assert not d[: slices["layers.2.weight"].start].any()
            assert d[slices["layers.2.weight"]].all()


@pytest.mark.parametrize("places", [[0.0, 3.0], [-5.0, -1.0], [-1e-3, 1.0], [2.0, 1.0, 0.5]])
@pytest.mark.parametrize("points", [3, 21])
def test_a_grid_holds_the_path_and_the_network(places: list[float], points: int) -> None:
    steps = steps_over(torch.tensor(places, dtype=F64), points)
    assert len(steps) == points and (steps == 0).sum() == 1
    low, high = min(*places, 0.0), max(*places, 0.0)
    assert steps[0] < low and steps[-1] > high
    if points == 21:  # and not much more
        assert steps[-1] - steps[0] < 1.6 * (high - low)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"points": 4}, "landscape.points = 4: must be odd"),
        ({"points": 1}, "landscape.points = 1: must be at least 3"),
        ({"radius": 0.0}, "landscape.radius = 0.0: must be greater than 0"),
        ({"path": 2}, "landscape.path = 2: must be 0 or at least 3"),
        ({"path": -1}, "landscape.path = -1: must be at least 0"),
        ({"directions": "up"}, "landscape.directions = 'up': must be 'random', 'eigenvectors' or"),
        (
            {"directions": "trajectory", "path": 0},
            'path = 0: must be at least 3 where directions = "trajectory"',
        ),
        ({"directions": "trajectory", "radius": 2.0}, "radius = 2: must be left out where"),
    ],
)
def test_wrong_options_get_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_options("landscape", options, "probes.landscape")


def test_what_is_not_given() -> None:
    plain = check_options("landscape", {}).model_dump()
    assert (plain["radius"], plain["path"]) == (1.0, 0)
    along = check_options("landscape", {"directions": "trajectory"})
    assert (along.model_dump()["radius"], along.model_dump()["path"]) == (None, 20)
    assert check_options("landscape", along.model_dump()) == along


def test_a_network_without_a_past_has_no_path() -> None:
    matrix = curvature_of(network("mlp"), task("mlp"), dtype=F64)
    for options in ({"directions": "trajectory"}, {"path": 5}):
        with pytest.raises(InputError, match="no weights along a training here; the runs of a"):
            landscape(matrix, points=3, **options)
