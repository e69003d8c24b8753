"""GraSP: how much the gradient's norm would fall without each weight."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from thalweg.sparsity.allocation.scope import Scores
from thalweg.sparsity.criteria.criterion import Context, Criterion, scratch
from thalweg.sparsity.criteria.gradient import hessian_product, mean_gradient
from thalweg.validation import Options


class GraSPOptions(Options):
    """``temperature``: T, by which the network's outputs are divided; 1 for regression."""

    temperature: float = Field(default=200.0, gt=0)


def grasp(
    model: nn.Module, names: Sequence[str], context: Context, options: GraSPOptions
) -> Scores:
    """Return w · (H g), g and H being the gradient and Hessian of the mean loss of outputs / T with
    respect to the chosen weights.

    Removing a weight changes ‖g‖² by −2·w·(H g) to first order. The paper's score is −w·(H g), of
    which it removes the largest, those whose removal most increases the gradient; the opposite
    number is given here, since here the largest are kept. The network runs in the mode, training or
    evaluation, that it is in. Wang et al., arXiv:2002.07376.
    """
    module, weights = scratch(model, names)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return context.loss(outputs / options.temperature, targets)

    gradient = mean_gradient(module, weights, context.batches, loss)
    product = hessian_product(module, weights, gradient, context.batches, loss)
    with torch.no_grad():
        products = [w * h for w, h in zip(weights, product, strict=True)]
    return dict(zip(names, products, strict=True))


GRASP = Criterion(
    "grasp",
    "w · (H g) of the loss at temperature T",
    "Wang et al., Picking Winning Tickets before Training, arXiv:2002.07376",
    ("data", "gradients"),
    GraSPOptions,
    grasp,
)
