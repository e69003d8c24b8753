"""What a view of a study shows, apart from how the page is made.

A view is a function of a study's results and of what the address asks for, so every state of a page
has a permanent link.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from thalweg.report.figures import Group
from thalweg.report.table import Table
from thalweg.store import Store
from thalweg.store.results import StudyResults

Asked = Mapping[str, Sequence[str]]
"""Parameters of the address, each with its values in order."""


@dataclass(frozen=True)
class Choice:
    """A control by which a reader chooses what is shown.

    Attributes:
        key: The address's parameter.
        label: What stands beside it.
        options: (value, what is read) pairs, in order.
        chosen: The values that are in force, asked for or not.
        several: Whether more than one may be chosen.
    """

    key: str
    label: str
    options: tuple[tuple[str, str], ...]
    chosen: tuple[str, ...]
    several: bool = False


@dataclass(frozen=True)
class Content:
    """What a view shows, from top to bottom.

    Attributes:
        lead: A sentence on how to read it.
        choices: Its controls.
        sentences: What is concluded: verdicts, answers, warnings; plain text.
        groups: Charts that belong together, each with a note.
        tables: Tables, below the charts.
    """

    lead: str
    choices: tuple[Choice, ...] = ()
    sentences: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class View:
    """One page of a study.

    Attributes:
        name: Its part of the address, a slug.
        title: Its name among the study's pages.
        applies: Whether a study has anything for it; it is not offered otherwise. Cheap.
        show: Returns the content.

    ``show`` raises `thalweg.errors.InputError` for a parameter that is not among the options.
    """

    name: str
    title: str
    applies: Callable[[StudyResults], bool]
    show: Callable[[StudyResults, Store, Asked], Content]
