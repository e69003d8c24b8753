"""The row-wise recurrent network against autograd."""

from typing import Any

import pytest
import torch

from thalweg.models.rnn import RowRNN


def network(features: int, hidden: int, layers: int, nonlinearity: str) -> RowRNN:
    module = RowRNN(features, hidden, layers, nonlinearity, 4)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "bias" in name:  # zero at first, which would hide their gradient's mistakes
                parameter.uniform_(-0.5, 0.5)
    return module


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize(
    ("steps", "features", "hidden"),
    [(1, 1, 1), (1, 5, 3), (6, 1, 1), (2, 3, 9), (7, 4, 5), (5, 13, 17), (28, 28, 8)],
    ids=str,
)
def test_shapes(
    steps: int,
    features: int,
    hidden: int,
    layers: int,
    nonlinearity: str,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    module = network(features, hidden, layers, nonlinearity)
    problem(module, noise(18, 1, steps, features), classes(18, 4)).check(dtype, variant)


def test_unrolled_is_the_same(
    dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any
) -> None:
    module = network(4, 6, 2, "tanh")
    module.unrolled = True
    problem(module, noise(18, 1, 3, 4), classes(18, 4)).check(dtype, variant)
