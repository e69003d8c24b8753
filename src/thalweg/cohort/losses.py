"""The loss a task is trained and judged by."""

from torch import Tensor
from torch.nn.functional import cross_entropy

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
