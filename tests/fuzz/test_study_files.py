"""Studies with anything in the place of anything: a plan, or one sentence."""

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thalweg.errors import InputError
from thalweg.registry import trusting
from thalweg.spec import RunSpec
from thalweg.study.plan import expand_study
from thalweg.study.source import effective, parse_study, recipes

TABLES = {name: tomllib.loads(text) for name, text in recipes().items()}

SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(
        ["sgd", "adam", "mlp", "imp", "os:system", "1e-3..1:4", "1e-3..1:log", "full", "init", "*"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "lr", "keep", "epochs", "seeds", "widths", "x.y", ""]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the key paths of all that a table holds."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        found.append((*path, key))
        if isinstance(inner, dict | list):
            found += places(inner, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any, rename: str | None) -> Any:
    """Return a table with another value, or another key, in one place."""
    head, *rest = path
    result = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        result[head] = changed(value[head], tuple(rest), new, rename)
    elif rename is not None and isinstance(result, dict):
        result[rename] = result.pop(head)
    else:
        result[head] = new
    return result


@pytest.mark.parametrize("name", sorted(TABLES))
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_recipe_with_anything_anywhere(name: str, data: st.DataObject) -> None:
    table = TABLES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(table)))
        rename = data.draw(st.none() | st.sampled_from(["name", "lr", "arms", "sparsity", "étude"]))
        table = changed(table, path, data.draw(VALUES), rename)
    preset = data.draw(st.none() | st.sampled_from(["quick", "full"]))
    seeds = data.draw(st.none() | st.integers(-1, 3))
    with trusting(False):
        try:
            plan = expand_study(effective(table, preset, seeds))
        except InputError:
            return
        for spec in plan.specs[:2]:
            assert RunSpec.parse(spec.canonical()).id == spec.id
        written = tomli_w.dumps(plan.table)
        assert expand_study(parse_study(written, "applied")).specs == plan.specs
