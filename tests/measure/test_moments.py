"""At which steps a training is looked at."""

from typing import Any

import pytest

from thalweg.measure.moments import Moments


def test_every_and_last() -> None:
    every, last = Moments.parse("every:4"), Moments.parse("last:3")
    assert every is not None and last is not None
    assert [step for step in range(10) if every.due(step, 10)] == [0, 4, 8]
    assert [step for step in range(10) if last.due(step, 10)] == [7, 8, 9]
    assert [step for step in range(2) if last.due(step, 2)] == [0, 1]
    assert (str(every), str(last)) == ("every:4", "last:3")
    assert Moments.parse("end") is None


@pytest.mark.parametrize("value", ["every:0", "every:-1", "every", "last:1.5", "each:3", 3, None])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r'must be "end", "every:N" or "last:N"'):
        Moments.parse(value)
