"""Where a step ends in the valley it crosses."""

import torch
from torch import Tensor

from thalweg.measure.dynamics.instrument import Instrument
from thalweg.measure.dynamics.look import Look, row_norm

# a + b·τ + c·τ² by least squares through the losses and the slopes at τ = 0 and τ = 1.
_FIT = torch.linalg.pinv(
    torch.tensor([[1, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 2]], dtype=torch.float64)
)


def _alpha(look: Look) -> dict[str, Tensor]:
    """Cockpit's α: a parabola is fitted to the batch's loss along the step, through loss and slope
    at its two ends, and α is how far the step goes relative to its minimum: −1 for no step, 0 for
    the minimum, 1 for the point on the other side that is as high as the start.

    α = τ/τ* − 1 at τ = 1, τ* = −b/(2c) being the minimum; below −1 where the loss bends down. NaN
    where the step does not go downhill. Schneider, Dangel & Hennig, arXiv:2102.06604, weigh the
    four values by their noise; here they are of one batch and count alike.
    """
    training = look.training
    there = training.oracle.viewed()
    update = there - look.W
    after, gradient = look.shared.bench(1).gradient(training.cohort, there, look.batch)
    look.gradients += 1
    unclipped = look.gradient_norm / row_norm(look.gradient)
    slopes = (
        torch.linalg.vecdot(look.gradient, update) * unclipped,
        torch.linalg.vecdot(gradient, update),
    )
    seen = torch.stack([look.losses.double(), after.double(), *(s.double() for s in slopes)])
    _, b, c = (_FIT.to(seen) @ seen).unbind()
    return {"alpha": torch.where(b < 0, -2 * c / b - 1, torch.nan)}


ALPHA = Instrument(
    "alpha", "Cockpit's α: 0 where the step ends in the minimum", "1", _alpha, keeps=True
)
