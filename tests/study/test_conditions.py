"""What a list in [sparsity], and controls beside a ticket, make of a study."""

from typing import Any

import pytest

from thalweg.errors import InputError
from thalweg.study import StudyPlan, build_study

BASE: dict[str, Any] = {
    "study": {"name": "study", "seeds": 2},
    "task": {"name": "digits"},
    "model": {"name": "mlp"},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "train": {"epochs": 5},
}
IMP = {"name": "imp", "target": 0.8, "rounds": 2, "rewind": "epoch:2"}


def arms(**sections: Any) -> StudyPlan:
    return build_study({**BASE, "arms": sections})


def names(plan: StudyPlan) -> list[str]:
    return [point.arm for point in plan.points]


def test_each_sparsity_is_an_arm_and_each_learning_rate_a_point() -> None:
    plan = arms(
        a={
            "sparsity": {"name": "projection", "keep": [0.5, 0.1]},
            "optimizer": {"name": "sgd", "lr": [0.1, 0.2]},
        }
    )
    assert [(p.arm, p.label) for p in plan.points] == [
        ("a keep=0.5", "lr=0.1"),
        ("a keep=0.5", "lr=0.2"),
        ("a keep=0.1", "lr=0.1"),
        ("a keep=0.1", "lr=0.2"),
    ]
    sparsities = [p.specs[0].sparsity for p in plan.points]
    assert [s and s.options["keep"] for s in sparsities] == [0.5, 0.5, 0.1, 0.1]


def test_without_arms_the_study_itself_is_one() -> None:
    plan = build_study({**BASE, "sparsity": {"name": "projection", "keep": [0.5, 0.1]}})
    assert names(plan) == ["sgd keep=0.5", "sgd keep=0.1"]


def test_a_list_that_is_one_value_makes_no_arms() -> None:
    keep, parameters = [0.5, 0.25], ["layers.0.weight", "layers.1.weight"]
    plan = arms(a={"sparsity": {"name": "imp", "keep": keep, "parameters": parameters}})
    assert names(plan) == ["a"]
    (first, _) = plan.points[0].specs
    assert first.rounds is not None
    assert (first.rounds.keep, first.rounds.parameters) == (keep, parameters)


def test_controls_are_arms_of_their_own() -> None:
    plan = arms(a={"sparsity": {**IMP, "controls": ["random", "reinitialised", "dense"]}})
    assert names(plan) == ["a", "a random", "a reinitialised", "a dense"]
    ticket, random, reinitialised, dense = (point.specs[0] for point in plan.points)
    assert [spec.round for spec in (ticket, random, reinitialised, dense)] == [2, 2, 2, 0]
    assert random.parent == ticket.parent == reinitialised.parent
    assert dense.sparsity is None
    assert dense.train.epochs == 5 + 2 * (5 - 2)  # the dense training and two rounds


def test_runs_that_arms_share_are_planned_once() -> None:
    plan = arms(dense={}, a={"sparsity": IMP}, b={"sparsity": {**IMP, "control": "random"}})
    # dense, round 1, round 2 and the control's, of two seeds
    assert len(plan.specs) == 2 * 4
    assert plan.points[1].specs[0].dense == plan.points[0].specs[0]


@pytest.mark.parametrize(
    ("sparsity", "message"),
    [
        ({"name": "projection", "keep": []}, r"arm 'a': sparsity.keep = \[\]: a grid needs"),
        ({"name": "projection", "keep": [0.5, 0.5]}, "sparsity.keep: the grid names 0.5 twice"),
        ({**IMP, "target": [0.5, 1.0]}, "arm 'a': sparsity.target = 1.0: must be less than 1"),
        ({**IMP, "controls": ["dens"]}, "sparsity.controls.0 = 'dens': .*did you mean 'dense'"),
        ({**IMP, "keep": [0.5]}, "arm 'a': sparsity: needs either target or keep"),
        ({"name": "imp", "keep": [0.5, 0.6]}, r"keep = \[0.5, 0.6\]: must fall"),
        ({**IMP, "rewind": "epoch:5"}, "rewind = 'epoch:5': must be less than the 5 epochs"),
        ({**IMP, "rewind": "none", "optimizer_state": "rewind"}, 'must be "reset" or "keep"'),
        ({"name": "one_shot", "keep": 0.5, "after_epoch": 5}, "after_epoch = 5: must be less"),
    ],
)
def test_what_is_wrong_gets_a_sentence(sparsity: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        arms(a={"sparsity": sparsity})


def test_two_arms_of_one_name_are_refused() -> None:
    projection = {"name": "projection", "keep": 0.5}
    with pytest.raises(InputError, match=r"two of them are named 'a keep=0\.5'"):
        arms(
            **{
                "a": {"sparsity": {**projection, "keep": [0.5, 0.1]}},
                "a keep=0.5": {"sparsity": projection},
            }
        )
