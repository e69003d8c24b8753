from pathlib import Path

import pytest

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.files import write_json
from thalweg.store.find import find_run

RUNS = [
    {"arm": "plain", "point": "", "seed": 0, "run": "aa10"},
    {"arm": "plain", "point": "", "seed": 1, "run": "aa20"},
    {"arm": "grid", "point": "lr=0.1", "seed": 0, "run": "bb10"},
    {"arm": "grid", "point": "lr=0.2", "seed": 0, "run": "bb20"},
]


ROUNDS = [
    {"arm": "plain", "point": "", "seed": 0, "round": 0, "run": "cc10"},
    {"arm": "plain", "point": "", "seed": 0, "round": 1, "run": "aa10"},
    {"arm": "grid", "point": "lr=0.1", "seed": 0, "round": 0, "run": "dd10"},
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path, create=True)
    for run in RUNS:
        write_json(store.run(run["run"]).path / "spec.json", {})
    write_json(store.study_folder("first") / "study.json", {"runs": RUNS, "rounds": ROUNDS})
    return store


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("aa10", "aa10"),
        ("aa2", "aa20"),
        ("first/plain/1", "aa20"),
        ("first/grid/lr=0.2/0", "bb20"),
        ("first/plain/0/round:0", "cc10"),
        ("first/plain/0/round:1", "aa10"),
        ("first/grid/0/round:0", "dd10"),
    ],
)
def test_a_run_has_several_names(store: Store, name: str, run: str) -> None:
    assert find_run(store, name).id == run


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("c", "has none whose id begins so; give an id, its beginning, or STUDY/ARM/SEED"),
        ("a", r"2 ids begin so \(aa10, aa20\); give more of it"),
        ("firts/plain/0", "unknown study 'firts'; did you mean 'first'"),
        ("first/plain/2", "unknown run 'first/plain/2'; did you mean 'first/plain/[01]'"),
        ("first/plain/0/round:2", "unknown run .*did you mean 'first/plain/0/round:[01]'"),
        (
            "first/grid/0",
            "one run a grid point; give one of first/grid/lr=0.1/0, first/grid/lr=0.2/0",
        ),
    ],
)
def test_what_is_no_run_or_several_is_told_in_a_sentence(
    store: Store, name: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        find_run(store, name)
