"""What the names of a study's exported files begin with."""

import polars as pl

from thalweg.errors import InputError
from thalweg.store.slug import slug

Trained = tuple[str, str, int]
"""Arm, grid point and seed."""


def prefixes(frame: pl.DataFrame, given: str | None = None) -> dict[Trained, str]:
    """Return a prefix for each arm, grid point and seed, no two alike: the arm, the point where the
    arm has several, and the seed where it has several.

    Args:
        frame: With the columns ``arm``, ``point`` and ``seed``.
        given: What stands for the arm.

    Raises:
        InputError: A prefix is given and there are several arms, or it has no letter or digit.
    """
    arms = frame["arm"].unique(maintain_order=True).to_list()
    if given is not None and len(arms) > 1:
        raise InputError(f"--prefix {given}: must be left out for several arms, {', '.join(arms)}")
    if given is not None and not slug(given):
        raise InputError(f"--prefix {given!r}: must have a letter or a digit")
    several = {
        arm: (len(set(points)), len(set(seeds)))
        for arm, points, seeds in frame.group_by("arm").agg("point", "seed").iter_rows()
    }
    found: dict[Trained, str] = {}
    for arm, point, seed in frame.select("arm", "point", "seed").unique().sort(pl.all()).rows():
        points, seeds = several[arm]
        parts = [given or arm, *([point] if points > 1 else [])]
        stem = slug(*parts, *([f"seed{seed}"] if seeds > 1 else []))
        prefix, copy = stem, 1
        while prefix in found.values():
            copy += 1
            prefix = f"{stem}-{copy}"
        found[arm, point, seed] = prefix
    return found
