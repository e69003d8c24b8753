"""Which instruments watch a training, and how often."""

from typing import Any, Literal

from pydantic import Field, field_validator

from thalweg.measure.dynamics.instruments import INSTRUMENTS, PRESETS
from thalweg.validation import Options, unknown


class DynamicsOptions(Options):
    """A ``preset`` of instruments, or those of a list.

    Attributes:
        preset: "cheap", "standard" or "full".
        instruments: Names; in place of the preset's.
        groups: Parts of a minibatch whose gradients tell the noise.
    """

    preset: Literal["cheap", "standard", "full"] = "standard"
    instruments: list[str] | None = Field(default=None, min_length=1)
    groups: int = Field(default=4, ge=2)

    @field_validator("instruments")
    @classmethod
    def _known(cls, names: list[str] | None) -> list[str] | None:
        for name in names or ():
            if name not in INSTRUMENTS:
                raise ValueError(unknown("instrument", name, INSTRUMENTS))
        return names

    @property
    def names(self) -> list[str]:
        """The instruments."""
        return (
            list(PRESETS[self.preset].instruments) if self.instruments is None else self.instruments
        )


def usual_moments(options: Any) -> str:
    """Return when a probe looks if a study does not say: at the end, or as often as its
    instruments are cheap.
    """
    return PRESETS[options.preset].when if isinstance(options, DynamicsOptions) else "end"
