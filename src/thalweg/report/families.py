"""Arms that differ in one key, told by their names."""

import re

KEEP = "keep"

ANY = r"[\w.]+"


def family(arm: str, key: str = KEEP) -> str:
    """Return what the names of arms have in common that differ in a key.

    A list in ``[sparsity]`` makes an arm of each value and adds the value to its name:
    ``once keep=0.5`` and ``once keep=0.1`` are of the family ``once``.

    Args:
        arm: The arm's name.
        key: The key, or a regular expression for it; see `ANY`.
    """
    return re.sub(rf" {key}=(?:\[[^\]]*\]|[^, ]+),?", "", arm)
