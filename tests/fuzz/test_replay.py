"""The targets of the fuzzers on sound files and on some thousand damaged ones, always the same."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from targets import TARGETS, seeds

sys.path.pop(0)

COUNTS = {"idx": 3000, "study": 60, "tensors": 500, "table": 1500}


def damaged(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return some bytes changed, cut out, doubled, or taken from another file."""
    result = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(result) + 1)
        end = min(len(result), start + chance.choice((1, 2, 4, 40)))
        other = chance.choice(others)
        cut = chance.randrange(len(other) + 1)
        result[start:end] = chance.choice(
            (
                b"",
                bytes(result[start:end]) * 2,
                chance.randbytes(end - start),
                other[cut : cut + 40],
                b"99999999",
                b'"""[[{',
            )
        )
    return bytes(result)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_raise_the_documented_error_alone(name: str) -> None:
    chance = random.Random(0)
    sound = list(seeds(name))
    for data in sound:
        TARGETS[name](data)
    for _ in range(COUNTS[name]):
        TARGETS[name](damaged(chance.choice(sound), chance, sound))
