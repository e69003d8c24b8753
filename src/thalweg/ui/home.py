"""The studies of a store, as the first page lists them."""

from dataclasses import dataclass

from thalweg.errors import ThalwegError
from thalweg.report.summary import Finding
from thalweg.ui.library import Library
from thalweg.ui.pulse import Pulse
from thalweg.ui.shelf import NotYetError


@dataclass(frozen=True)
class Listed:
    """A study on the first page.

    Attributes:
        name: Its name, also where it cannot be read.
        pulse: What it is doing; None where its record is damaged.
        fault: Why it cannot be read; "" where it can.
        best: Its best arms, one a panel.
        finished: When its last run ended, as an ISO time; "" where that is not known.
        known: Whether the last two are of the state of now.
    """

    name: str
    pulse: Pulse | None
    fault: str = ""
    best: tuple[Finding, ...] = ()
    finished: str = ""
    known: bool = True


def home(library: Library) -> list[Listed]:
    """Return the studies, the one last begun first."""
    found = [_listed(library, name) for name in library.store.studies()]
    return sorted(found, key=lambda each: -(each.pulse.begun if each.pulse else 0))


def _listed(library: Library, name: str) -> Listed:
    try:
        pulse = library.watch.pulse(name)
    except ThalwegError as error:
        return Listed(name, None, str(error))
    try:
        kept = library.overview(name, pulse, patience=0)
    except NotYetError:
        return Listed(name, pulse, known=False)
    except ThalwegError as error:
        return Listed(name, pulse, str(error))
    return Listed(name, pulse, "", kept.value.summary.findings, kept.value.finished, kept.fresh)
