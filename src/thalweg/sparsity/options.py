"""Options that every sparsity has."""

import math

from pydantic import Field

from thalweg.validation import Options


class SparsityOptions(Options):
    """Which weights, and how many of them stay.

    Attributes:
        keep: Fraction of the chosen weights that may be nonzero.
        parameters: Shell-style patterns of the names of the parameters that count; all together
            make up the number. None given: the weights of linear, convolutional and recurrent
            layers.
    """

    keep: float = Field(gt=0, le=1)
    parameters: list[str] = Field(default=[])

    def count(self, weights: int) -> int:
        """Return how many of so many weights may be nonzero: ⌊keep · weights⌋."""
        return kept(self.keep, weights)


def kept(keep: float, weights: int) -> int:
    """Return ⌊keep · weights⌋, of the decimal fraction that was written."""
    return math.floor(keep * weights + 1e-6)  # 0.6 · 40,800 is 24,479.999… in binary
