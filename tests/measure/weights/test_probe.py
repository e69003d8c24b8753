"""Which weights the probe looks at."""

import pytest
import torch
from tests.measure.curvature.written_out import network, task
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.measure import curvature_of, measure


def test_kernels_and_matrices_of_every_kind_and_no_biases() -> None:
    for kind, names in {
        "conv": ["conv.weight", "fc.weight"],
        "rnn": [f"rnn.weight_{which}_l{layer}" for layer in (0, 1) for which in ("ih", "hh")]
        + ["fc.weight"],
    }.items():
        module = network(kind)
        matrix = curvature_of(module, task(kind), dtype=torch.float64)
        figures = measure(matrix, ["weights"], {})["weights"]
        assert figures["layer"] == [*names, "all"]
        sizes = [module.get_parameter(name).numel() for name in names]
        assert figures["count"] == [*sizes, sum(sizes)]
        norms = [
            float(torch.linalg.svdvals(module.get_parameter(name).detach().flatten(1))[0])
            for name in names
        ]
        assert figures["spectral_norm"][:-1] == pytest.approx(norms)
        assert "moved" not in figures  # nothing is known of where they began


class Scales(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x[:, :3]


def test_a_network_without_them_gets_a_sentence() -> None:
    matrix = curvature_of(Scales(), task("mlp"), dtype=torch.float64)
    with pytest.raises(InputError, match="no weights of two dimensions or more"):
        measure(matrix, ["weights"], {})
