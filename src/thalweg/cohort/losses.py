"""The loss a task is trained and judged by, and its curvature in the outputs."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from thalweg.data import LossName


def example_losses(
    name: LossName, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Return the loss of each example, ``(B,)``.

    "cross_entropy" is −Σ_c q_c·log softmax(outputs)_c with q = (1 − s)·onehot(target) + s/C, s
    being the label smoothing; "mse" is the mean over the outputs of the squared error, so that the
    mean over a batch equals ``torch.nn.MSELoss``.
    """
    if name == "cross_entropy":
        return cross_entropy(outputs, targets, reduction="none", label_smoothing=label_smoothing)
    return (outputs - targets).square().flatten(1).mean(1)


def times_output_hessian(name: LossName, outputs: Tensor, U: Tensor) -> Tensor:
    """Return H·u for each example, H being the Hessian of its loss in its outputs, ``(B, C)``.

    H is diag(p) − p·pᵀ with p = softmax(outputs), whatever the label smoothing, and 2/C·I for the
    squared error; the targets do not enter.
    """
    if name == "cross_entropy":
        p = outputs.softmax(1)
        return p * (U - (p * U).sum(1, keepdim=True))
    return 2 / outputs.shape[1] * U


def output_hessian_roots(name: LossName, outputs: Tensor) -> Tensor:
    """Return the columns r_m of a root of each example's H, Σ_m r_m·r_mᵀ = H, ``(C, B, C)``.

    For cross entropy r_m is √p_m times the gradient of the loss at the target m.
    """
    C = outputs.shape[1]
    identity = torch.eye(C, dtype=outputs.dtype, device=outputs.device)[:, None]
    if name == "cross_entropy":
        p = outputs.softmax(1)
        return p.T.sqrt()[:, :, None] * (p - identity)
    root: float = (2 / C) ** 0.5
    return (root * identity).expand(C, *outputs.shape)


def sampled_output_gradient(name: LossName, outputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return the gradient of each example's loss in its outputs at a target drawn from the model's
    own distribution, ``(B, C)``; the mean over draws of its outer product is H.

    The distribution is the softmax for cross entropy, by the Gumbel-max trick, and a normal one of
    mean ``outputs`` and variance C/2 for the squared error.

    Args:
        name: The loss.
        outputs: ``(B, C)``.
        generator: A CPU generator, whatever the device of the outputs.
    """
    if name == "cross_entropy":
        noise = torch.empty(outputs.shape).exponential_(generator=generator).to(outputs)
        targets = (outputs - noise.log()).argmax(1)
        return outputs.softmax(1) - one_hot(targets, outputs.shape[1])
    noise = torch.randn(outputs.shape, generator=generator).to(outputs)
    root: float = (2 / outputs.shape[1]) ** 0.5
    return root * noise
