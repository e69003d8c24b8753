"""The seeds of a study."""

from collections.abc import Sequence
from typing import Any

MOST = 100_000

LARGEST = 2**31 - 1

SEEDS_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MOST},
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": LARGEST},
            "minItems": 1,
            "uniqueItems": True,
        },
    ]
}
"""What `seed_list` reads, as a JSON Schema."""


def seed_list(value: Any) -> list[int]:
    """Return the seeds that a number, or a list, stands for.

    Raises:
        ValueError: What is allowed.
    """
    numbers = value if isinstance(value, list) else [value]
    if not numbers or any(not isinstance(n, int) or isinstance(n, bool) for n in numbers):
        raise ValueError("must be a number of seeds, or a list of seeds")
    if isinstance(value, list):
        if min(value) < 0 or len(set(value)) != len(value):
            raise ValueError("must list each seed once, none negative")
        return value
    if not 1 <= numbers[0] <= MOST:
        raise ValueError(f"must be from 1 to {MOST}")
    return list(range(numbers[0]))


def further_seeds(seeds: Sequence[int], count: int) -> list[int]:
    """Return so many seeds that follow the greatest of others; none for a count below 1."""
    after = max(seeds) + 1
    return list(range(after, after + max(count, 0)))
