"""What is known of a network beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from thalweg.errors import InputError


@dataclass(frozen=True)
class TrainingPath:
    """The weights of a network along its training.

    Attributes:
        steps: Steps after which they were taken, ascending.
        weights: By parameter name; the last are the network's own.
    """

    steps: tuple[int, ...]
    weights: tuple[Mapping[str, Tensor], ...]


class Origin:
    """Where a network comes from. This one tells nothing; that of a run is in `thalweg.execute`.

    Attributes:
        masks: Which of the weights may be nonzero, boolean by parameter name; None where all may.
    """

    def __init__(self, masks: Mapping[str, Tensor] | None = None) -> None:
        self.masks = masks

    def initial(self) -> Mapping[str, Tensor] | None:
        """Return the weights before training, by parameter name; None where they are not known."""
        return None

    def before_pruning(self) -> Mapping[str, Tensor] | None:
        """Return the trained weights from whose pruning the masks come, by parameter name; None
        where they are not known.
        """
        return None

    def path(self, count: int) -> TrainingPath:
        """Return the weights at so many places of the training, its first and last step among them.

        Raises:
            InputError: There are none.
        """
        raise InputError(
            f"path = {count}: there are no weights along a training here; the runs of a study "
            "leave them where its [[probes]] ask for a path"
        )
