"""All instruments, and the presets."""

from dataclasses import dataclass

from thalweg.measure.dynamics.alpha import ALPHA
from thalweg.measure.dynamics.instrument import Instrument
from thalweg.measure.dynamics.movement import DISTANCE, GRADIENT, LOSS, MOVEMENT, TURNING
from thalweg.measure.dynamics.noise import NOISE
from thalweg.measure.dynamics.stability import EDGE
from thalweg.measure.dynamics.whole import CLASSES, FEATURES, FULL_GRADIENT


@dataclass(frozen=True)
class Preset:
    """Instruments, and when they look if nothing else is said."""

    instruments: tuple[str, ...]
    when: str


INSTRUMENTS: dict[str, Instrument] = {
    each.name: each
    for each in (
        *(LOSS, GRADIENT, MOVEMENT, DISTANCE, TURNING),
        *(NOISE, ALPHA),
        *(FULL_GRADIENT, EDGE, FEATURES, CLASSES),
    )
}

_CHEAP = ("loss", "gradient")

PRESETS = {
    "cheap": Preset(_CHEAP, "every:1"),
    "standard": Preset((*_CHEAP, "movement", "distance", "turning", "noise"), "every:16"),
    "full": Preset(tuple(INSTRUMENTS), "every:256"),
}
