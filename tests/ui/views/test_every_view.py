"""What holds of every view, in every state of its controls."""

import shutil

import pytest
from tests.report.conftest import HOSTILE, Builder
from tests.ui.views.conftest import BY_NAME

from thalweg.errors import InputError
from thalweg.report.interactive import interactive_figure
from thalweg.store import Store
from thalweg.store.assemble import read_results


def charts(content):
    return [chart for group in content.groups for chart in group.charts]


def drawn(content):
    """Check that everything can be drawn, and return how much there is."""
    assert all(group.charts for group in content.groups)
    for chart in charts(content):
        assert chart.description
        interactive_figure(chart).to_json()
    names = [chart.name for chart in charts(content)]
    assert len(set(names)) == len(names)
    assert all(table.rows for table in content.tables)
    assert all(content.sentences)
    return len(names) + len(content.tables)


def test_there_is_a_view_for_every_question():
    assert list(BY_NAME) == [
        *("curves", "learning-rates", "compare", "landscape", "spectrum", "weights", "masks"),
        *("confusion", "audit", "charts"),
    ]
    assert len({view.title for view in BY_NAME.values()}) == len(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_option_of_every_choice_opens(name, results, show):
    assert BY_NAME[name].applies(results)
    content = show(name)
    assert drawn(content) > 0
    keys = [choice.key for choice in content.choices]
    assert len(set(keys)) == len(keys) and keys
    for choice in content.choices:
        values = [value for value, _ in choice.options]
        assert set(choice.chosen) <= set(values) and len(set(values)) == len(values) > 1
        assert choice.several or len(choice.chosen) == 1
        for value in values:
            asked = {choice.key: [value]}
            other = show(name, **asked)
            (own,) = (each for each in other.choices if each.key == choice.key)
            assert own.chosen == (value,)
            assert charts(other) or other.tables or other.sentences
    every = {choice.key: list(choice.chosen) for choice in content.choices}
    assert show(name, **every).choices == content.choices  # the link is permanent


@pytest.mark.parametrize("name", BY_NAME)
def test_a_value_that_is_no_option_is_refused_in_a_sentence(name, show):
    for choice in show(name).choices:
        with pytest.raises(InputError) as refused:
            show(name, **{choice.key: "<b>no such</b>"})
        words = str(refused.value)
        assert choice.key in words and "'<b>no such</b>'" in words
        assert all(value in words for value, _ in choice.options)
        if not choice.several:
            values = [value for value, _ in choice.options][:2]
            with pytest.raises(InputError, match=f"{choice.key} = .*: must be one value, not 2"):
                show(name, **{choice.key: values})


def test_what_is_an_option_for_another_choice_counts_as_not_asked_for(show):
    """A form sends all its controls: one that made sense before must not stand in the way."""
    content = show("learning-rates", arm="ticket")
    (arms,) = (choice for choice in content.choices if choice.key == "arm")
    assert arms.chosen == ("sgd", "adam") and charts(content)
    assert show("landscape", seed=1, probe="line").groups == show("landscape", probe="line").groups


@pytest.fixture(scope="module")
def half(store, tmp_path_factory):
    """A copy of the store in which all but the first seed of every arm is still to come."""
    folder = tmp_path_factory.mktemp("half") / "out"
    shutil.copytree(store.root, folder)
    shutil.rmtree(folder / "index", ignore_errors=True)
    record = Store(folder).record("measured")
    for entry in [*record["runs"], *record["rounds"]]:
        if entry["seed"] > 0 or entry["arm"] == "adam":
            shutil.rmtree(folder / "runs" / entry["run"], ignore_errors=True)
    return Store(folder)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_study_that_is_still_running_shows_what_there_is(name, half):
    results = read_results(half, "measured")
    assert {"done", "missing"} == set(results.runs["status"])
    content = BY_NAME[name].show(results, half, {})
    drawn(content)
    assert charts(content) or content.tables or content.sentences
    for choice in content.choices:
        for value, _ in choice.options[:3]:
            BY_NAME[name].show(results, half, {choice.key: [value]})


@pytest.mark.parametrize("name", BY_NAME)
def test_a_study_that_has_not_begun_says_so(name, half, store, tmp_path):
    shutil.copytree(store.root / "studies", tmp_path / "out" / "studies")
    shutil.copy(store.root / "store.json", tmp_path / "out" / "store.json")
    empty = Store(tmp_path / "out")
    content = BY_NAME[name].show(read_results(empty, "measured"), empty, {})
    assert not charts(content) and not content.tables
    assert len(content.sentences) == 1 and content.sentences[0].startswith("No run")


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "audit"])
def test_names_of_strangers_are_texts(name, store):
    """A study of hostile names, one that diverged everywhere, and one that failed."""
    builder = Builder()
    for arm in HOSTILE[1:]:
        for seed in range(2):
            for rate in (0.1, 0.2):
                axes = {"optimizer.lr": rate}
                builder.run(arm, seed, axes, quality=0.9, task=HOSTILE[0], model=HOSTILE[2])
    for seed in range(2):
        builder.run("diverged", seed, {}, quality=0, status="diverged", task="sine")
        builder.run("failed", seed, {}, quality=0, status="failed", task="sine", message="boom")
    results = builder.results(class_names={HOSTILE[0]: [*HOSTILE, "plain"]})
    view = BY_NAME[name]
    content = view.show(results, store, {})
    drawn(content)
    for choice in content.choices:
        for value, _ in choice.options:
            view.show(results, store, {choice.key: [value]})
