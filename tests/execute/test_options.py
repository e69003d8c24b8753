"""How many processes and threads an execution takes."""

import pytest

from thalweg.execute import options
from thalweg.execute.options import Resources


@pytest.mark.parametrize(
    ("jobs", "asked", "expected"),
    [
        (None, None, (8, 1)),
        (1, None, (1, 8)),
        (3, None, (3, 2)),
        (16, None, (16, 1)),
        (1, "2", (1, 2)),
        (1, "2,4", (1, 2)),  # one number a level of nesting
        (4, "8", (4, 2)),
        (1, "0", (1, 8)),
        (1, "many", (1, 8)),
    ],
)
def test_cores_are_never_oversubscribed(
    jobs: int | None,
    asked: str | None,
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(options, "available_cores", lambda: 8)
    if asked is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    chosen = Resources.choose("cpu", jobs)
    assert (chosen.jobs, chosen.threads) == expected
