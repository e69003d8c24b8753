"""What is read off more than the minibatch: the training examples, features, classes."""

import torch
from torch import Tensor

from thalweg.measure.dynamics.instrument import Instrument
from thalweg.measure.dynamics.look import Look, row_norm
from thalweg.measure.features import feature_figures


def _full_gradient(look: Look) -> dict[str, Tensor]:
    """Norm of the gradient of the mean loss over the training examples, in evaluation mode."""
    gradient = look.subject.gradient()
    if look.training.cohort.mask is not None:
        gradient = gradient.masked_fill(~look.training.cohort.mask, 0)
    look.gradients += look.pass_cost
    return {"full_gradient_norm": row_norm(gradient)}


def _features(look: Look) -> dict[str, Tensor]:
    found = feature_figures(look.subject)
    look.gradients += look.pass_cost / 3
    return {
        name: torch.tensor([own[name] for own in found], dtype=torch.float64) for name in found[0]
    }


def _classes(look: Look) -> dict[str, Tensor]:
    """Accuracy of each class on the validation split, or that of test where there is none."""
    training = look.training
    split = "validation" if "validation" in training.task.splits else "test"
    data = training.task.splits[split]
    found = look.subject.backend.evaluate(look.subject.cohort, data)
    look.gradients += len(data) / look.batch.size / 3
    if found.confusion is None:
        return {}
    right = found.confusion.diagonal(dim1=1, dim2=2)
    return {"class_accuracy": right / found.confusion.sum(2)}


FULL_GRADIENT = Instrument(
    "full_gradient", "norm of the gradient over the training examples", "n/B", _full_gradient
)
FEATURES = Instrument(
    "features", "share of active, of distinct and of dead ReLU units", "n/(3·B)", _features
)
CLASSES = Instrument(
    "classes", "accuracy of each class on validation", "n/(3·B), n held-out examples", _classes
)
