"""At which steps of a training something is looked at."""

import re
from dataclasses import dataclass
from typing import Any, Literal

_TEXT = re.compile(r"(every|last):([1-9][0-9]*)")


@dataclass(frozen=True)
class Moments:
    """Every N-th step from the first on, or each of the last N.

    Attributes:
        kind: "every" or "last".
        count: N.
    """

    kind: Literal["every", "last"]
    count: int

    @classmethod
    def parse(cls, value: Any) -> "Moments | None":
        """Read ``"every:N"`` or ``"last:N"``; None for ``"end"``, when training is over.

        Raises:
            ValueError: It is none of them.
        """
        if value == "end":
            return None
        match = _TEXT.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('must be "end", "every:N" or "last:N", N steps')
        return cls("every" if match[1] == "every" else "last", int(match[2]))

    def due(self, step: int, steps: int) -> bool:
        """Return whether to look before step number ``step``, from 0, of a training of ``steps``.

        A training can end earlier, when all its runs have diverged; the last N are those of its
        full length.
        """
        return step % self.count == 0 if self.kind == "every" else step >= steps - self.count

    def __str__(self) -> str:
        return f"{self.kind}:{self.count}"
