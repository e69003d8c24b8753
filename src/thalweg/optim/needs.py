"""What an optimizer can need beyond the gradient of the current batch."""

NEEDS = {
    "closure": "the gradient again within a step",
    "loss": "the value of the loss",
    "products": "Hessian-vector products",
    "examples": "gradients of other examples than the batch's",
    "full pass": "passes over the whole training split",
    "shapes": "each parameter's shape",
    "average": "evaluation at an average of its iterates",
    "model": "the network itself",
}
