"""Which runs a measurement is of."""

from thalweg.study import build_study


def test_graphs_and_weights_are_of_every_round_and_the_others_of_the_last() -> None:
    imp = {"sparsity": {"name": "imp", "keep": [0.5, 0.2]}}
    plan = build_study(
        {
            "study": {"name": "study", "seeds": 2},
            "task": {"name": "digits"},
            "model": {"name": "mlp", "widths": [8]},
            "optimizer": {"name": "sgd", "lr": 0.1},
            "train": {"epochs": 1},
            "arms": {"pruned": imp, "plain": {"optimizer": {"lr": [0.2, 0.3]}}},
            "probes": [
                {"name": "graph", "arms": ["pruned"]},
                {"name": "weights"},
                {"name": "weights", "label": "on the way", "when": "every:5"},
                {"name": "hessian"},
            ],
        }
    )
    (pruned,) = (point for point in plan.points if point.arm == "pruned")
    last = {spec.id for spec in pruned.specs}
    rounds = {each.id for spec in pruned.specs for each in spec.lineage}
    plain = {spec.id for point in plan.points if point.arm == "plain" for spec in point.specs}
    assert (len(last), len(rounds), len(plain)) == (2, 6, 4)
    graph, weights, watched, hessian = plan.probes
    assert plan.measured(graph) == rounds
    assert plan.measured(weights) == rounds | plain
    assert plan.measured(watched) == plan.measured(hessian) == last | plain
    one = {pruned.specs[0].id}
    assert plan.measured(weights, one) == {each.id for each in pruned.specs[0].lineage}
    assert plan.measured(hessian, one) == one
