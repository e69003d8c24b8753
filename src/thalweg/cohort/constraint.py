"""What the training loop asks of a constraint on the weights."""

from abc import ABC, abstractmethod

from thalweg.cohort.matrix import Cohort


class Constraint(ABC):
    """Something the weights must satisfy, put right after every step."""

    @abstractmethod
    def apply(self, cohort: Cohort, epoch: int) -> None:
        """Make ``cohort.W`` satisfy the constraint; rows must not depend on each other.

        Called before the first step, after every step, and on an average of iterates before it is
        judged.

        Args:
            cohort: The networks.
            epoch: Epochs completed.
        """
