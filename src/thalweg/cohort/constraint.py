"""What the training loop asks of whatever keeps the weights sparse."""

from typing import Any, ClassVar

from torch import Tensor

from thalweg.cohort.matrix import Cohort
from thalweg.cohort.oracle import Oracle


class Constraint:
    """Base of what the weights must satisfy as they train. Rows must not depend on each other.

    A constraint acts on the weights in one of three ways. It may set a mask (`Cohort.set_mask`,
    always with a new tensor), which the loop holds from then on, and at whose changes it starts the
    optimizer's state anew. It may put W itself right, in `hold`. Or it is ``latent``: the
    optimizer's weights stay dense, and the networks are evaluated and judged at their `view`.

    Class attributes:
        latent: The networks are evaluated at other weights than the optimizer's.
    """

    latent: ClassVar[bool] = False

    def begin(self, cohort: Cohort, oracle: Oracle) -> None:
        """Act on the initial weights, before they are first judged."""

    def before_step(self, cohort: Cohort, oracle: Oracle, step: int) -> None:
        """Act on what is known of the current batch: ``cohort.G`` is its gradient.

        Args:
            cohort: The networks.
            oracle: For more than the gradient; what is asked is charged to the runs.
            step: Steps completed.
        """

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        """Act on the weights the optimizer has just moved.

        Args:
            cohort: The networks.
            step: Steps completed, that one included.
            lr: Learning rate of that step, a number or a column ``(K, 1)``.
        """

    def hold(self, W: Tensor) -> None:
        """Make weights ``(K, D)`` satisfy the constraint, in place.

        Called after `begin` and every step, and on an average of iterates before it is judged. The
        mask is held besides.
        """

    def view(self, W: Tensor) -> Tensor:
        """Return the weights ``(K, D)`` at which a latent constraint has the networks evaluated."""
        return W

    def row_state(self, row: int) -> Any:
        """Return what one run needs, beside the mask, to go on from here, as a tree."""
        return None

    def load_row_state(self, row: int, state: Any) -> None:
        """Take up what `row_state` returned."""

    def figures(self, row: int) -> dict[str, float]:
        """Return what is to be reported of one run at its end."""
        return {}
