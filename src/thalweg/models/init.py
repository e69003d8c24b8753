"""Initial weights by name, drawn from an explicit generator over those of the module itself."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from thalweg.errors import InputError
from thalweg.validation import Options, unknown, validate

DEFAULT = "default"
"""The name that leaves a model's own initialisation as it is."""

Nonlinearity = Literal["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


class InitOptions(Options, ABC):
    """How every weight of two or more dimensions is drawn.

    ``bias``: "keep" leaves biases as the model made them, "zero" sets them to 0. Under a
    multiplicative rule (exponentiated gradient) a weight of exactly 0 never moves, so "zero"
    freezes the biases there, and so does "keep" with a model whose own biases are zero (rnn).
    """

    summary: ClassVar[str]
    name: str
    bias: Literal["zero", "keep"] = "keep"

    @abstractmethod
    def fill(self, weight: Tensor, generator: Generator) -> None:
        """Draw ``weight`` in place; ``(out, in)``, or ``(out, in, *kernel)``."""


class Orthogonal(InitOptions):
    """A weight flattened to ``(out, in·kernel)`` has orthonormal rows or columns, times ``gain``.

    Source: Saxe, McClelland and Ganguli, arXiv:1312.6120.
    """

    summary = "orthonormal rows or columns (Saxe)"
    name: Literal["orthogonal"] = "orthogonal"
    gain: float = Field(default=1.0, gt=0)

    def fill(self, weight: Tensor, generator: Generator) -> None:
        nn.init.orthogonal_(weight, self.gain, generator)


class XavierUniform(InitOptions):
    """U(−a, a) with a = gain·√(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio, AISTATS 2010.
    """

    summary = "uniform, variance by fan in and fan out (Glorot)"
    name: Literal["xavier_uniform"] = "xavier_uniform"
    gain: float = Field(default=1.0, gt=0)

    def fill(self, weight: Tensor, generator: Generator) -> None:
        nn.init.xavier_uniform_(weight, self.gain, generator)


class XavierNormal(InitOptions):
    """N(0, σ²) with σ = gain·√(2 / (fan_in + fan_out)).

    Source: Glorot and Bengio, AISTATS 2010.
    """

    summary = "normal, variance by fan in and fan out (Glorot)"
    name: Literal["xavier_normal"] = "xavier_normal"
    gain: float = Field(default=1.0, gt=0)

    def fill(self, weight: Tensor, generator: Generator) -> None:
        nn.init.xavier_normal_(weight, self.gain, generator)


class KaimingUniform(InitOptions):
    """U(−a, a) with a = gain·√(3 / fan_in), the gain being that of ``nonlinearity`` (√2 for ReLU).

    Source: He, Zhang, Ren and Sun, arXiv:1502.01852.
    """

    summary = "uniform, variance by fan in (He)"
    name: Literal["kaiming_uniform"] = "kaiming_uniform"
    nonlinearity: Nonlinearity = "relu"

    def fill(self, weight: Tensor, generator: Generator) -> None:
        nn.init.kaiming_uniform_(weight, nonlinearity=self.nonlinearity, generator=generator)


class KaimingNormal(InitOptions):
    """N(0, σ²) with σ = gain / √fan_in, the gain being that of ``nonlinearity`` (√2 for ReLU).

    Source: He, Zhang, Ren and Sun, arXiv:1502.01852.
    """

    summary = "normal, variance by fan in (He)"
    name: Literal["kaiming_normal"] = "kaiming_normal"
    nonlinearity: Nonlinearity = "relu"

    def fill(self, weight: Tensor, generator: Generator) -> None:
        nn.init.kaiming_normal_(weight, nonlinearity=self.nonlinearity, generator=generator)


class LogNormal(InitOptions):
    """w = s·m with s = ±1 at even odds and m log-normal: no weight is zero, none is large.

    The standard deviation of w is Kaiming's, σ = gain / √fan_in. With r = ``mean_std_ratio`` =
    E[m] / std[m], the second moment E[m²] = (1 + r²)·std[m]² must be σ²; hence
    std[m] = σ / √(1 + r²), E[m] = r·std[m], and log m ~ N(μ, τ²) with τ² = log(1 + 1/r²),
    μ = log E[m] − τ²/2.

    Source: `lognormal_` in linclab/EG_optimiser, optim_eg/init_tools.py (Cornford et al.,
    bioRxiv 2024.10.25.620272), there with fan_out for a whole network; fan_in here, as in the
    other initialisations.
    """

    summary = "log-normal magnitudes, random signs, variance by fan in (Cornford)"
    name: Literal["lognormal"] = "lognormal"
    mean_std_ratio: float = Field(default=1.5, gt=0)
    nonlinearity: Nonlinearity = "relu"

    def fill(self, weight: Tensor, generator: Generator) -> None:
        fan_in = math.prod(weight.shape[1:])
        second_moment = nn.init.calculate_gain(self.nonlinearity) ** 2 / fan_in
        variance = second_moment / (1 + self.mean_std_ratio**2)
        mean = self.mean_std_ratio * math.sqrt(variance)
        tau2 = math.log1p(1 / self.mean_std_ratio**2)
        weight.log_normal_(math.log(mean) - tau2 / 2, math.sqrt(tau2), generator=generator)
        negative = torch.rand(weight.shape, generator=generator) < 0.5
        weight[negative] *= -1


INITS: dict[str, type[InitOptions]] = {
    options.model_fields["name"].default: options
    for options in (
        Orthogonal,
        XavierUniform,
        XavierNormal,
        KaimingUniform,
        KaimingNormal,
        LogNormal,
    )
}


def parse_init(table: str | Mapping[str, Any], path: str = "model.init") -> InitOptions | None:
    """Read an initialisation, given as a name or as a table with ``name`` and options.

    Returns:
        Its options, or None for "default", which leaves the model's own initialisation.

    Raises:
        InputError: Unknown name or option.
    """
    table = {"name": table} if isinstance(table, str) else table
    if not isinstance(table, Mapping):
        raise InputError(f"{path} = {table!r}: must be a name or a table with a name")
    if "name" not in table:
        raise InputError(f"{path}.name: is missing and has no default")
    name = table["name"]
    if not isinstance(name, str):
        raise InputError(f"{path}.name = {name!r}: must be a string")
    if name == DEFAULT:
        if extra := [key for key in table if key != "name"]:
            raise InputError(f"{path}.{extra[0]}: the init {DEFAULT!r} takes no options")
        return None
    if name not in INITS:
        raise InputError(f"{path}.name: {unknown('init', name, [DEFAULT, *INITS])}")
    return validate(INITS[name], table, path)


@torch.no_grad()
def initialize(module: nn.Module, init: InitOptions, generator: Generator) -> None:
    """Draw a module's weights in place.

    Parameters of two or more dimensions are drawn in the module's order. One-dimensional ones
    are left alone (norm scales among them), except that ``init.bias`` applies to those whose
    own name starts with "bias" (as in ``fc.bias`` and ``rnn.bias_hh_l0``).
    """
    for name, parameter in module.named_parameters():
        if parameter.ndim >= 2:
            init.fill(parameter, generator)
        elif init.bias == "zero" and name.rpartition(".")[2].startswith("bias"):
            parameter.zero_()
