"""File names made of foreign names."""

import re


def slug(*parts: str | None) -> str:
    """Return a file name's stem: the parts' letters, digits, dots and underscores, with dashes.

    A part that is not known, None, is left out. At most 120 characters; different parts may give
    the same stem.
    """
    words = (re.sub(r"[^A-Za-z0-9_.]+", "-", part).strip("-.") for part in parts if part)
    return "-".join(word for word in words if word)[:120]
