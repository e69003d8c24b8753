"""From a study's table to its arms, grid points and runs."""

import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from thalweg.spec import RunSpec
from thalweg.study import build_study, load_study, recipes
from thalweg.study.axes import expand_grid

MODEL = {"name": "mlp", "widths": [8]}
TABLE: dict[str, Any] = {
    "study": {"name": "s", "seeds": 2},
    "task": {"name": "digits"},
    "model": MODEL,
    "train": {"epochs": 2},
}


def study(**changes: Any) -> Any:
    return build_study({**TABLE, **changes})


def grid(**sections: Any) -> list[dict[str, Any]]:
    return [axes for axes, _ in expand_grid({**TABLE, **sections})]


def test_arms_times_grid_times_seeds() -> None:
    found = study(
        arms={
            "a": {"optimizer": {"name": "sgd", "lr": [0.1, 0.2], "momentum": [0.0, 0.9]}},
            "b": {"optimizer": "adam", "train": {"epochs": 3}},
        }
    )
    assert [(point.arm, point.label) for point in found.points] == [
        ("a", "lr=0.1, momentum=0"),
        ("a", "lr=0.1, momentum=0.9"),
        ("a", "lr=0.2, momentum=0"),
        ("a", "lr=0.2, momentum=0.9"),
        ("b", ""),
    ]
    assert found.points[1].axes == {"optimizer.lr": 0.1, "optimizer.momentum": 0.9}
    assert found.points[4].axes == {}
    assert len(found.specs) == 10
    for point in found.points:
        assert [spec.seed for spec in point.specs] == [0, 1]
    options = found.points[1].specs[0].optimizer.options
    assert (options["lr"], options["momentum"]) == (0.1, 0.9)
    assert {spec.train.epochs for spec in found.points[0].specs} == {2}
    assert {spec.train.epochs for spec in found.points[4].specs} == {3}


def test_a_run_is_that_of_its_spec() -> None:
    (point,) = study(optimizer={"name": "sgd", "lr": 0.1}).points
    alone = RunSpec.parse(
        {
            "task": "digits",
            "model": MODEL,
            "optimizer": {"name": "sgd", "lr": 0.1},
            "train": {"epochs": 2},
            "seed": 1,
        }
    )
    assert point.specs[1] == alone
    assert point.specs[1].id == alone.id


@pytest.mark.parametrize(
    ("optimizer", "arm"),
    [
        ("adam", "adam"),
        ({"name": "sgd", "lr": 0.1}, "sgd"),
        ("torch.optim:RMSprop", "RMSprop"),
    ],
)
def test_without_arms_the_optimizer_names_the_only_one(optimizer: Any, arm: str) -> None:
    assert [point.arm for point in study(optimizer=optimizer).points] == [arm]
    assert [point.arm for point in study(optimizer=optimizer, arms={}).points] == [arm]


def test_an_arm_may_change_any_section() -> None:
    (first, second) = study(
        optimizer={"name": "sgd", "lr": 0.1},
        arms={
            "first": {},
            "second": {
                "task": {"name": "sine"},
                "model": {"widths": [3]},
                "optimizer": {"lr": 0.3},
                "train": {"batch_size": "full"},
            },
        },
    ).points
    assert first.specs[0].optimizer.options["lr"] == 0.1
    changed = second.specs[0]
    assert changed.task.name == "sine"
    assert changed.model.options["widths"] == [3]
    assert (changed.optimizer.name, changed.optimizer.options["lr"]) == ("sgd", 0.3)
    assert (changed.train.epochs, changed.train.batch_size) == (2, "full")


def test_arms_may_share_the_options_of_an_optimizer_they_name() -> None:
    found = study(
        optimizer={"lr": [0.1, 0.2]},
        arms={"a": {"optimizer": {"name": "sgd"}}, "b": {"optimizer": {"name": "adam"}}},
    )
    rates = [(p.arm, p.specs[0].optimizer.options["lr"]) for p in found.points]
    assert rates == [("a", 0.1), ("a", 0.2), ("b", 0.1), ("b", 0.2)]


def test_a_run_in_two_arms_is_counted_once() -> None:
    found = study(
        arms={
            "low": {"optimizer": {"name": "sgd", "lr": [0.1, 0.2]}},
            "high": {"optimizer": {"name": "sgd", "lr": [0.2, 0.4], "momentum": 0}},
        }
    )
    assert len(found.points) == 4
    assert len(found.specs) == 6
    assert found.points[1].specs == found.points[2].specs


@pytest.mark.parametrize(
    ("sections", "wanted"),
    [
        ({"optimizer": {"name": "sgd", "lr": 0.1}}, [{}]),
        ({"optimizer": "adam"}, [{}]),
        (
            {"optimizer": {"name": "sgd", "lr": [0.1, 0.2]}},
            [{"optimizer.lr": 0.1}, {"optimizer.lr": 0.2}],
        ),
        # A list is what the key takes; a list of lists is an axis.
        ({"model": {"name": "mlp", "widths": [8, 4]}}, [{}]),
        (
            {"model": {"name": "mlp", "widths": [[8], [8, 4]]}},
            [{"model.widths": [8]}, {"model.widths": [8, 4]}],
        ),
        ({"model": {"name": "mlp", "widths": [[8]]}}, [{"model.widths": [8]}]),
        (
            {"model": {"name": "mlp", "init": ["default", {"name": "orthogonal", "gain": 2.0}]}},
            [{"model.init": "default"}, {"model.init": {"name": "orthogonal", "gain": 2.0}}],
        ),
        (
            {"model": {"name": "mlp", "init": {"name": "orthogonal", "gain": [1.0, 2.0]}}},
            [{"model.init.gain": 1.0}, {"model.init.gain": 2.0}],
        ),
        (
            {"train": {"epochs": 1, "schedule": ["constant", "cosine"]}},
            [{"train.schedule": "constant"}, {"train.schedule": "cosine"}],
        ),
        (
            {"train": {"epochs": 1, "schedule": {"name": "step", "every_epochs": [1, 2]}}},
            [{"train.schedule.every_epochs": 1}, {"train.schedule.every_epochs": 2}],
        ),
        (
            {"train": {"epochs": 1, "batch_size": [16, "full"]}},
            [{"train.batch_size": 16}, {"train.batch_size": "full"}],
        ),
        (
            {"task": {"name": "sine", "noise": [0.1, 0.2]}},
            [{"task.noise": 0.1}, {"task.noise": 0.2}],
        ),
        # For a stranger's optimizer every list is an axis.
        (
            {"optimizer": {"name": "torch.optim:Adam", "betas": [[0.9, 0.9], [0.9, 0.99]]}},
            [{"optimizer.betas": [0.9, 0.9]}, {"optimizer.betas": [0.9, 0.99]}],
        ),
        (
            {
                "task": {"name": "sine", "noise": [0.1, 0.2]},
                "optimizer": {"name": "sgd", "lr": [1, 2]},
            },
            [
                {"task.noise": 0.1, "optimizer.lr": 1},
                {"task.noise": 0.1, "optimizer.lr": 2},
                {"task.noise": 0.2, "optimizer.lr": 1},
                {"task.noise": 0.2, "optimizer.lr": 2},
            ],
        ),
    ],
)
def test_axes(sections: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    found = grid(**sections)
    assert found == wanted


def test_a_grid_over_everything_parses() -> None:
    found = study(
        task={"name": "digits", "size": [8, 9]},
        model={
            "name": "mlp",
            "widths": [[8], [8, 4]],
            "init": ["default", {"name": "orthogonal", "gain": 2.0}],
        },
        optimizer={"name": "torch.optim:Adam", "betas": [[0.9, 0.9], [0.9, 0.99]]},
        train={"epochs": [1, 2], "schedule": {"name": "step", "every_epochs": [1, 2]}},
    )
    assert len(found.points) == 2**6
    assert len(found.specs) == 2**7
    assert len({point.label for point in found.points}) == 2**6


@pytest.mark.parametrize(
    "schedule",
    [
        [{"name": "step", "every_epochs": 1}, {"name": "step", "every_epochs": 2}],
        ["cosine", {"name": "cosine", "final": 0.1}],
    ],
)
def test_points_that_differ_have_labels_that_differ(schedule: Any) -> None:
    found = study(optimizer="adam", train={"epochs": 1, "schedule": schedule})
    assert len({point.label for point in found.points}) == 2


def test_labels_are_short_where_they_can_be() -> None:
    rates = [1, 0.1, 1e-4, 0.30000000000000004, 0.3]
    found = study(optimizer={"name": "sgd", "lr": rates})
    assert [point.label for point in found.points] == [
        *("lr=1", "lr=0.1", "lr=0.0001"),
        *("lr=0.30000000000000004", "lr=0.3"),
    ]
    found = study(optimizer="adam", train={"epochs": 1, "schedule": [
        "constant", {"name": "step", "every_epochs": 2, "gamma": 0.5}
    ]})  # fmt: skip
    assert [point.label for point in found.points] == [
        "schedule=constant",
        "schedule=step(every_epochs=2, gamma=0.5)",
    ]


@pytest.mark.parametrize(
    ("seeds", "wanted"), [(1, [0]), (4, [0, 1, 2, 3]), ([5], [5]), ([9, 2, 4], [9, 2, 4])]
)
def test_seeds(seeds: Any, wanted: list[int]) -> None:
    found = study(study={"name": "s", "seeds": seeds}, optimizer="adam")
    assert found.options.seeds == wanted
    assert [spec.seed for spec in found.points[0].specs] == wanted


def test_three_seeds_by_default() -> None:
    assert study(study={"name": "s"}, optimizer="adam").options.seeds == [0, 1, 2]


ARMS = {
    "a": {"optimizer": {"name": "sgd", "lr": [0.1, 1e-7]}},
    "with spaces": {"optimizer": "adam", "train": {"schedule": ["cosine", "constant"]}},
    "b": {"model": {"init": {"name": "orthogonal", "gain": 2}}, "optimizer": "adamw"},
}


@pytest.mark.parametrize("preset", [None, "quick"])
def test_the_toml_of_a_plan_loads_to_the_same_runs(preset: str | None, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    presets = {"quick": {"seeds": 1, "train": {"epochs": 1}}}
    path.write_text(tomli_w.dumps({**TABLE, "arms": ARMS, "presets": presets}))
    first = load_study(path, preset, overrides=["train.batch_size=32", "study.title=Größe = 1"])
    again = tmp_path / "again.toml"
    again.write_text(first.toml(), encoding="utf-8")
    second = load_study(again)
    assert second.specs == first.specs
    assert second.points == first.points
    assert second.options == first.options
    assert second.toml() == first.toml()
    assert {spec.train.batch_size for spec in second.specs} == {32}


@pytest.mark.parametrize("name", recipes())
def test_the_toml_of_a_recipe_loads_to_the_same_runs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    study = load_study(name, seeds=2)
    path.write_text(study.toml(), encoding="utf-8")
    assert load_study(path).specs == study.specs


def test_a_users_module_is_looked_for_beside_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "beside_the_study", raising=False)
    (tmp_path / "beside_the_study.py").write_text(
        "from torch import nn\n"
        "def net(width=3):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, 10))\n"
    )
    table = {**TABLE, "model": {"name": "beside_the_study:net", "width": [3, 4]}}
    path = tmp_path / "s.toml"
    path.write_text(tomli_w.dumps({**table, "optimizer": "adam"}))
    found = load_study(path)
    assert [point.axes for point in found.points] == [{"model.width": 3}, {"model.width": 4}]
    assert all(spec.model.code for spec in found.specs)


def test_build_study_takes_seeds_given_on_the_command_line(plan: Any, base: str) -> None:
    assert [spec.seed for spec in plan(base, seeds=4).specs] == [0, 1, 2, 3]
