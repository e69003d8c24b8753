"""What callbacks are told of instruments before they know network and optimizer."""

from collections.abc import Mapping
from typing import Any

from thalweg.errors import InputError
from thalweg.instruments.instruments import FIGURES, Instruments

Names = Mapping[str, str]
"""Names of logged figures → those of `Instruments.epoch`."""


def check_names(names: Names) -> Names:
    """Check the names that logged figures are to have.

    Raises:
        InputError: One is none of `FIGURES`.
    """
    for logged, figure in names.items():
        if figure not in FIGURES:
            raise InputError(f"figures: {logged} = {figure!r}: must be one of {', '.join(FIGURES)}")
    return names


def tell_epoch(watch: Instruments, logged: Mapping[str, Any], names: Names) -> None:
    """Tell instruments the figures of an epoch that a trainer has logged."""
    found = {figure: float(logged[name]) for name, figure in names.items() if name in logged}
    watch.epoch(**found)
