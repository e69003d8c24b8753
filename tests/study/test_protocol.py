"""The protocol of a study: budgets, selection, final seeds, and seeds that are added."""

import pytest

from thalweg.errors import InputError
from thalweg.study.final import final_study
from thalweg.study.protocol import budget_notes, tuning_budgets
from thalweg.study.until_resolved import check_points, planned_looks, with_seeds

GRID = """
[arms.eg]
optimizer = { name = "sgd_eg", lr = [0.1, 0.2] }
[arms.gd]
optimizer.lr = [0.1, 0.2, 0.3]
sparsity = { name = "projection", keep = [0.5, 0.2] }
"""


def test_budgets_are_kept_to(plan, base):
    study = plan(f"{base}{GRID}[protocol]\ntuning = 6\n")
    assert tuning_budgets(study.points) == {"eg": 4, "gd keep=0.5": 6, "gd keep=0.2": 6}
    (note,) = budget_notes(study.protocol, tuning_budgets(study.points))
    assert "of 6 runs allowed: eg 4, gd keep=0.5 6" in note
    with pytest.raises(InputError, match=r"protocol.tuning = 5: arm 'gd keep=0.5' spends 6 runs"):
        plan(f"{base}{GRID}[protocol]\ntuning = 5\n")


def test_an_arm_without_a_grid_spends_nothing(plan, base):
    assert tuning_budgets(plan(f"{base}[protocol]\ntuning = 1\n").points) == {"sgd": 0}


@pytest.mark.parametrize(
    ("protocol", "task", "message"),
    [
        ("selection = 'validation'", 0, "must be 'test' for a study with task.validation = 0"),
        ("selection = 'test'", 100, "takes task.validation = 0"),
        ("selection = 'train'", 100, "must be 'validation' or 'test'"),
        ("final_seeds = [1, 7]", 100, "1 is among study.seeds"),
        ("final_seeds = 0", 100, "must be from 1 to 100000"),
        ("tuning = 0", 100, "must be at least 1"),
        ("finals = 3", 100, "unknown key 'finals'"),
        ("arm_seeds = { ge = 3 }", 100, "there is no arm 'ge'"),
    ],
)
def test_what_a_protocol_may_not_say(plan, base, protocol, task, message):
    text = base.replace('name = "digits"', f'name = "digits"\nvalidation = {task}')
    with pytest.raises(InputError, match=message):
        plan(f"{text}{GRID}[protocol]\n{protocol}\n")


def test_final_trains_the_chosen_points_on_fresh_seeds(plan, base):
    study = plan(f"{base}{GRID}[protocol]\nfinal_seeds = 3\n")
    chosen = {"eg": {"optimizer.lr": 0.2}, "gd keep=0.2": {"optimizer.lr": 0.3}}
    final = final_study(study, chosen)
    assert final.name == "base-final" and final.options.seeds == [2, 3, 4]
    assert [(p.arm, p.axes, len(p.specs)) for p in final.points] == [
        ("eg", {}, 3),
        ("gd keep=0.2", {}, 3),
    ]
    eg = next(p for p in study.points if p.arm == "eg" and p.axes == {"optimizer.lr": 0.2})
    assert [spec.canonical() | {"seed": 0} for spec in final.points[0].specs[:1]] == [
        eg.specs[0].canonical()
    ]
    assert not {spec.id for spec in final.specs} & {spec.id for spec in study.specs}
    assert any("gd keep=0.5 is left out" in note for note in final.options.notes)
    assert final.protocol.final_seeds is None


def test_controls_of_a_final_come_once(plan, base):
    text = base + "[sparsity]\nname = 'imp'\nkeep = [0.5]\ncontrols = ['random', 'dense']\n"
    study = plan(f"{text}[protocol]\nfinal_seeds = [8]\n")
    arms = [point.arm for point in study.points]
    final = final_study(study, {arm: {} for arm in arms})
    assert [point.arm for point in final.points] == arms and len(arms) == 3
    for before, after in zip(study.points, final.points, strict=True):
        assert after.specs[0].canonical() == before.specs[0].canonical() | {"seed": 8}


def test_seeds_are_added_by_arm(plan, base):
    text = f"{base}[arms.a]\n[arms.b]\noptimizer.lr = 0.2\n"
    study = with_seeds(plan(text), {"a": 5, "b": 4}, 12, "test_accuracy")
    seeds = {point.arm: [spec.seed for spec in point.specs] for point in study.points}
    assert seeds == {"a": [0, 1, 2, 3, 4], "b": [0, 1, 2, 3]}
    again = plan(study.toml())
    assert {s.id for s in again.specs} == {s.id for s in study.specs}


def test_what_cannot_be_added_to(plan, base):
    with pytest.raises(InputError, match="has one arm"):
        check_points(plan(base))
    with pytest.raises(InputError, match=r"arm 'eg' has 2 points; give protocol.final_seeds"):
        check_points(plan(base + GRID))
    check_points(plan(f"{base}{GRID}[protocol]\nfinal_seeds = 5\n"))
    assert planned_looks(plan(base), 10) == [5, 8, 10]
    with pytest.raises(InputError, match="--max-seeds 4: must be at least 5"):
        planned_looks(plan(base), 4)
