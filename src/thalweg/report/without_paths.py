"""Texts for readers elsewhere: without folders of this machine."""

import re

_ABSOLUTE = re.compile(
    r"""(?<![\w.:/\\~-])           # where a path begins, so not within a URL or a relative path
        (?:~|[A-Za-z]:)?[/\\]      # the root, a home or a drive
        (?:[^\s/\\"'`,;:()<>|]+[/\\])+  # folders
        (?=[^\s/\\"'`,;:()<>|])    # something in them
    """,
    re.VERBOSE,
)


def without_paths(text: str) -> str:
    """Return a text in which absolute paths are file names: ``nets.py`` for ``/home/me/nets.py``.

    Relative paths and URLs stay as they are.
    """
    return _ABSOLUTE.sub("", text)
