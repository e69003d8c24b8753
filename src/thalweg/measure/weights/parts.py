"""How large weights were at a moment before, those that a mask keeps and those it prunes apart."""

from torch import Tensor

from thalweg.measure.figures import Figures
from thalweg.measure.weights.distribution import LOG10_EDGES, SIZE_EDGES, histogram, quantiles
from thalweg.measure.weights.fits import lognormal_gain


def sizes_at(moment: str, weights: Tensor) -> Figures:
    """Return how the sizes |w| > 0 of weights are distributed: ``MOMENT_median``, ``MOMENT_gain``
    (see `lognormal_gain`), ``MOMENT_size_counts`` and ``MOMENT_log10_counts``.

    Args:
        moment: What the names begin with.
        weights: Of any shape.
    """
    sizes = weights[weights != 0].abs().sort().values
    return {
        f"{moment}_median": quantiles(sizes)["median"],
        f"{moment}_gain": lognormal_gain(sizes),
        f"{moment}_size_counts": histogram(sizes, SIZE_EDGES),
        f"{moment}_log10_counts": histogram(sizes.log10(), LOG10_EDGES),
    }


def parts_at(moment: str, weights: Tensor, kept: Tensor) -> Figures:
    """Return `sizes_at` of the weights that a mask keeps, ``MOMENT_kept_…``, and of those it
    prunes, ``MOMENT_pruned_…``.

    Args:
        moment: What the names begin with.
        weights: Of any shape.
        kept: The mask, boolean of the same shape.
    """
    return {
        **sizes_at(f"{moment}_kept", weights[kept]),
        **sizes_at(f"{moment}_pruned", weights[~kept]),
    }
