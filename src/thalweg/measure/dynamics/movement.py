"""How the loss stands and the weights move: free of any further gradient."""

import torch
from torch import Tensor

from thalweg.measure.dynamics.instrument import Instrument
from thalweg.measure.dynamics.look import Look, row_norm


def _loss(look: Look) -> dict[str, Tensor]:
    return {"loss": look.losses}


def _gradient(look: Look) -> dict[str, Tensor]:
    """‖g‖ before clipping, and whether it was clipped."""
    figures = {"gradient_norm": look.gradient_norm}
    limit = look.training.settings.clip_norm
    if limit is not None:
        bound = limit.squeeze(1) if isinstance(limit, Tensor) else limit
        figures["clipped"] = (look.gradient_norm > bound).double()
    return figures


def _movement(look: Look) -> dict[str, Tensor]:
    """‖Δw‖/‖w‖."""
    return {"update_ratio": look.update_norm / row_norm(look.W)}


def _distance(look: Look) -> dict[str, Tensor]:
    """‖w + Δw − w₀‖."""
    return {"distance": row_norm(look.training.cohort.W - look.shared.initial)}


def _turning(look: Look) -> dict[str, Tensor]:
    """cos(Δw_t, Δw_{t−1}); NaN for the first step and where one of them is 0."""
    if look.previous is None:
        return {"update_cosine": torch.full_like(look.losses, torch.nan)}
    product = torch.linalg.vecdot(look.update, look.previous)
    return {"update_cosine": product / (look.update_norm * row_norm(look.previous))}


LOSS = Instrument("loss", "loss of the minibatch", "0", _loss, moves=False)
GRADIENT = Instrument(
    "gradient",
    "norm of the minibatch's gradient before clipping, and whether it was",
    "0",
    _gradient,
    moves=False,
)
MOVEMENT = Instrument("movement", "size of the update relative to the weights", "0", _movement)
DISTANCE = Instrument("distance", "distance from the start", "0", _distance)
TURNING = Instrument("turning", "cosine of successive updates", "0", _turning, follows=True)
