"""The loss a task is trained and judged by."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from thalweg.data import LossName


def example_losses(name: LossName, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each example, ``(B,)``.

    "cross_entropy" is −log softmax(outputs)[target]; "mse" is the mean over the outputs of the
    squared error, so that the mean over a batch equals ``torch.nn.MSELoss``.
    """
    if name == "cross_entropy":
        return cross_entropy(outputs, targets, reduction="none")
    return (outputs - targets).square().flatten(1).mean(1)
