"""The command line: thin commands over the other rooms.

The commands are imported when one is run: completion in a shell must not wait for PyTorch.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg.cli.commands import app as app

COMPLETE = "_THALWEG_COMPLETE"
"""Environment variable by which a shell asks what may follow on its command line."""


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 the work failed, 2 the input was wrong."""
    if COMPLETE in os.environ:
        from thalweg.cli.completion import complete

        complete()
    else:
        from thalweg.cli.commands import run_command_line

        run_command_line()


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from thalweg.cli.commands import app

    return app
