"""A recurrent network that reads an image row by row."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import linear

from thalweg.errors import InputError
from thalweg.validation import Options

FUSED = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}
POINTWISE = {"tanh": torch.tanh, "relu": torch.relu}


class RNNOptions(Options):
    """``hidden``: units of each layer; ``layers``: recurrent layers, one upon the other."""

    hidden: int = Field(default=256, ge=1)
    layers: int = Field(default=3, ge=1)
    nonlinearity: Literal["tanh", "relu"] = "tanh"


class RowRNN(nn.Module):
    """h_t = φ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh) in each layer, h_{−1} = 0, over the rows x_t
    of an image; the last layer's last h is read by a linear layer.

    Inputs ``(B, C, H, W)`` are sequences of H steps of C·W features; outputs ``(B, outputs)``.
    Parameters are named as those of `nn.RNN` under ``rnn`` and `nn.Linear` under ``fc``. Initially
    W_hh is orthogonal, W_ih Xavier uniform, and the recurrent biases are zero.

    Attributes:
        unrolled: Compute with a few operators a step instead of PyTorch's fused recurrence: the
            same function to rounding, and on a CPU as fast. Needed under ``vmap``, for which the
            fused operator has no rule, and for second derivatives on CUDA, which cuDNN's
            recurrence lacks (pytorch#25315).
    """

    def __init__(
        self, features: int, hidden: int, layers: int, nonlinearity: str, outputs: int
    ) -> None:
        super().__init__()
        self.rnn = nn.RNN(features, hidden, layers, nonlinearity=nonlinearity, batch_first=True)
        self.fc = nn.Linear(hidden, outputs)
        self.unrolled = False
        for name, parameter in self.rnn.named_parameters():
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.transpose(1, 2).flatten(2)
        out: Tensor = self.fc(self._unrolled(rows) if self.unrolled else self._fused(rows))
        return out

    def _fused(self, rows: Tensor) -> Tensor:
        """Return the last state of the last layer, ``(B, hidden)``."""
        # Not self.rnn(rows): nn.RNN computes with a cached list of its weights, which misses those
        # that torch.func.functional_call puts in their place.
        weights = [weight for layer in self._weights() for weight in layer]
        start = rows.new_zeros(self.rnn.num_layers, rows.shape[0], self.rnn.hidden_size)
        _, last = FUSED[self.rnn.nonlinearity](
            rows, start, weights, True, self.rnn.num_layers, 0.0, self.training, False, True
        )
        return last[-1]

    def _unrolled(self, rows: Tensor) -> Tensor:
        """Return the same as `_fused`."""
        activate = POINTWISE[self.rnn.nonlinearity]
        sequence = rows
        for weight_ih, weight_hh, bias_ih, bias_hh in self._weights():
            # The input's part of all steps is one product; only the state's part is sequential.
            first, *later = linear(sequence, weight_ih, bias_ih + bias_hh).unbind(1)
            states = [activate(first)]
            for projected in later:
                states.append(activate(projected + linear(states[-1], weight_hh)))
            sequence = torch.stack(states, 1)
        return states[-1]

    def _weights(self) -> list[list[Tensor]]:
        """Return W_ih, W_hh, b_ih, b_hh of each layer, as they are at this moment."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [
            [getattr(self.rnn, f"{kind}_l{layer}") for kind in kinds]
            for layer in range(self.rnn.num_layers)
        ]


def rnn(options: RNNOptions, shape: tuple[int, ...], outputs: int) -> nn.Module:
    if len(shape) != 3:
        raise InputError(
            f"model 'rnn': takes images of shape (channels, rows, columns), not {shape}"
        )
    channels, _, columns = shape
    return RowRNN(channels * columns, options.hidden, options.layers, options.nonlinearity, outputs)
