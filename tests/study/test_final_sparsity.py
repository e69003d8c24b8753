"""A final that prunes what was tuned dense, and what is measured of it alone."""

import pytest

from thalweg.api import Study
from thalweg.errors import InputError
from thalweg.execute import Progress
from thalweg.study.final import check_final, final_study

IMP = '{ name = "imp", keep = [0.5, 0.2], rewind = "epoch:1" }'

GRID = """
[arms.gd]
optimizer.lr = [0.1, 0.2]
[arms.heavy]
optimizer = { name = "momentum", lr = 0.05 }
"""

PROBES = """
[[probes]]
name = "hessian"
runs = "final"
rounds = "dense"
top = 1
examples = 50

[[probes]]
name = "dynamics"
runs = "final"
rounds = "dense"
instruments = ["noise"]
when = "last:4"

[[probes]]
name = "weights"
runs = "final"
"""


def protocol(text: str) -> str:
    return f"[protocol]\n{text}\n"


def test_the_final_prunes_the_chosen_points(plan, base):
    study = plan(base + GRID + protocol(f"final_seeds = 2\nfinal_sparsity = {IMP}") + PROBES)
    assert all(spec.sparsity is None for spec in study.specs)
    final = final_study(study, {"gd": {"optimizer.lr": 0.2}, "heavy": {}})
    gd, heavy = final.points
    assert [len(spec.lineage) for spec in gd.specs + heavy.specs] == [3] * 4
    tuned = next(point for point in study.points if point.axes == {"optimizer.lr": 0.2})
    dense = gd.specs[0].dense.canonical()
    assert dense | {"seed": 0} == tuned.specs[0].canonical()
    assert {request.sample.runs for request in final.probes} == {"all"}


def test_rounds_that_a_measurement_is_of(plan, base):
    text = f'{base}[arms.gd]\nsparsity = {IMP}\n[[probes]]\nname = "weights"\n'
    (spec, *_), plain = plan(text).points[0].specs, plan(text).probes[0]
    for rounds, expected in (("dense", spec.lineage[:1]), ("last", spec.lineage[-1:])):
        (request,) = plan(f'{text}rounds = "{rounds}"\n').probes
        found = plan(text).measured(request, {spec.id})
        assert found == {each.id for each in expected}
        assert request.file == plain.file  # which rounds are asked for changes no figure


def test_what_a_final_may_not_be_pruned_by(plan, base):
    with pytest.raises(InputError, match=r"protocol.final_sparsity: takes protocol.final_seeds"):
        plan(base + protocol(f"final_sparsity = {IMP}"))
    both = protocol(f"final_seeds = 2\nfinal_sparsity = {IMP}")
    with pytest.raises(InputError, match="arm 'gd' has a sparsity of its own"):
        plan(f"{base}{both}[arms.gd]\nsparsity = {IMP}\n")
    wrong = plan(
        base + protocol('final_seeds = 2\nfinal_sparsity = { name = "imp", keep = [2.0] }')
    )
    with pytest.raises(InputError, match=r"protocol.final_sparsity: arm 'sgd': sparsity.keep"):
        check_final(wrong)


def test_what_may_not_be_measured(plan, base):
    probe = f'{base}[[probes]]\nname = "hessian"\n'
    with pytest.raises(InputError, match=r"probes.hessian.runs = 'final': must be 'all' or"):
        plan(f'{probe}runs = "final"\n')
    with pytest.raises(InputError, match=r"rounds = 'first': must be 'dense', 'last' or 'all'"):
        plan(f'{probe}rounds = "first"\n')


def test_an_arm_can_be_left_out(plan, base):
    assert [p.arm for p in plan(f"{base}[arms]\na = {{}}\nb = false\n").points] == ["a"]
    with pytest.raises(InputError, match="must be a table, or false to leave the arm out"):
        plan(f"{base}[arms]\na = {{}}\nb = 3\n")
    with pytest.raises(InputError, match="arms: every arm is false"):
        plan(f"{base}[arms]\na = false\n")


def test_the_dense_networks_of_a_final_are_measured(plan, base, tmp_path):
    text = base + GRID + protocol(f"final_seeds = 2\nfinal_sparsity = {IMP}") + PROBES
    results = Study(plan(text)).run(tmp_path, jobs=1, device="cpu", progress=Progress(quiet=True))
    tuning, final = results.load(), results.final.load()
    assert tuning.probes.is_empty() and tuning.series.is_empty() and not tuning.grids
    rounds = final.rounds.select("run", "round", "arm", "seed")
    assert len(rounds) == 2 * 2 * 3 and set(final.rounds["status"]) == {"done"}
    dense = rounds.filter(round=0)
    eigenvalues = final.round_probes.filter(figure="eigenvalues")
    assert set(eigenvalues["run"]) == set(dense["run"]) and eigenvalues["value"].min() > 0
    looks = final.round_series.filter(figure="noise_scale")
    assert set(looks["run"]) == set(dense["run"])
    assert looks.join(dense, on=["run", "arm", "seed"], how="anti").is_empty()
    assert {run for run, _ in final.grids} == set(rounds["run"])  # weights: of every round
    assert final.probes.filter(figure="eigenvalues").is_empty()  # those are of the last round
