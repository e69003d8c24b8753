"""How the features of a layer are spread: over directions, and between classes."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def effective_rank(features: Tensor) -> float:
    """Return over how many directions features are spread: exp of the entropy of σ/Σσ, σ being the
    singular values of the centred features (Roy & Vetterli, EUSIPCO 2007). From 1 to the number of
    units, and less than the number of examples; NaN for features that are constant.

    Args:
        features: ``(n, units)``.
    """
    centred = features.double() - features.double().mean(0)
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    sizes = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    shares = sizes / sizes.sum()
    return float((-torch.special.xlogy(shares, shares).sum()).exp())


def class_separation(features: Tensor, classes: Tensor) -> float:
    """Return R² = 1 − d_within/d_total: how much nearer features of one class are to one another
    than features of any classes, in cosine distance 1 − cos(x, y).

    d_within is the mean over classes of the mean distance within each, d_total the mean over pairs
    of classes, a class with itself among them, of the mean distance between their examples. 0 where
    classes make no difference, 1 where the features of each have one direction.

    Source: Kornblith et al., arXiv:2010.16402.

    Args:
        features: ``(n, units)``.
        classes: ``(n,)``, whole numbers.
    """
    unit = normalize(features.double(), dim=1)
    # The mean of the cosines between two classes is the product of the means of their directions.
    means = torch.stack([unit[classes == each].mean(0) for each in classes.unique()])
    within = 1 - means.square().sum(1).mean()
    total = 1 - means.mean(0).square().sum()
    return float(1 - within / total)
