"""The probes of weights and of the likeness of layers on the runs of a study."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from scipy import stats
from tests.execute.conftest import one_core

from thalweg import Results, Study
from thalweg.execute import Progress
from thalweg.models import build_model
from thalweg.randomness import derive
from thalweg.study import build_study

LAYERS = ["layers.0.weight", "layers.1.weight", "all"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    pruned = {"name": "imp", "keep": [0.5, 0.2], "controls": ["reinitialised"]}
    table = {
        "study": {"name": "study", "seeds": 2},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [12]},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "train": {"epochs": 2, "batch_size": 64},
        "arms": {"plain": {}, "pruned": {"sparsity": pruned}},
        "probes": [
            {"name": "weights", "tail": 0.1},
            {"name": "similarity", "split": "test", "compared": 100},
            {"name": "weights", "label": "on the way", "when": "every:20", "arms": ["plain"]},
        ],
    }
    out = tmp_path_factory.mktemp("weights") / "out"
    with one_core():
        return Study(build_study(table)).run(out, jobs=1, progress=Progress(quiet=True))


def initial(seed: int) -> dict[str, Any]:
    module = build_model("mlp", {"widths": [12]}, (64,), 10, seed, None)
    return {name: weight.detach().double().numpy() for name, weight in module.named_parameters()}


def test_figures_are_those_of_the_weights_that_runs_ended_with(results: Results) -> None:
    frame = results.frame().filter(seed=1)
    assert len(frame) == 3
    grids = results.load().grids
    for run, arm in frame.select("run", "arm").rows():
        found = grids[run, "weights"]
        weights = load_file(results.store.run(run).path / "final.safetensors")
        before = initial(derive(1, "mask") % 2**31 if "reinitialised" in arm else 1)
        assert found["layer"] == LAYERS
        for index, name in enumerate(LAYERS):
            names = LAYERS[:2] if name == "all" else [name]
            w = np.concatenate([weights[each].astype(float).ravel() for each in names])
            first = np.concatenate([before[each].ravel() for each in names])
            kept = w != 0
            own = {key: values[index] for key, values in found.items() if key in SHOWN}
            assert own == pytest.approx(
                {
                    "count": len(w),
                    "nonzero": kept.mean(),
                    "mean": w[kept].mean(),
                    "median": np.median(np.abs(w[kept])),
                    "flipped": (np.sign(w[kept]) != np.sign(first[kept])).mean(),
                    "moved": np.linalg.norm((w - first)[kept]) / np.linalg.norm(first[kept]),
                },
                rel=1e-6,
            )
            assert sum(found["size_counts"][index]) == sum(found["log10_counts"][index])
            assert sum(found["size_counts"][index]) == kept.sum()
            if name != "all":
                norm = np.linalg.norm(weights[name].astype(float), 2)
                assert found["spectral_norm"][index] == pytest.approx(norm, rel=1e-6)
        assert found["spectral_norm"][2] is None
        assert found["nonzero"][2] == pytest.approx(1 if arm == "plain" else 0.2, abs=1e-3)
        assert found["log10_bins"][0] == [None, -8] and found["log10_bins"][-1] == [1, None]


SHOWN = ("count", "nonzero", "mean", "median", "flipped", "moved")


def sizes_of(*weights: Any) -> Any:
    """Return |w| of all weights that are not 0."""
    w = np.abs(np.concatenate([np.ravel(each) for each in weights]).astype(float))
    return w[w != 0]


def gain_of(sizes: Any) -> float:
    """Return the mean log-likelihood of a log-normal less that of the better of two others."""
    fitted = {
        "lognormal": stats.lognorm(np.log(sizes).std(), 0, np.exp(np.log(sizes).mean())),
        "half_normal": stats.halfnorm(0, np.sqrt((sizes**2).mean())),
        "exponential": stats.expon(0, sizes.mean()),
    }
    means = {name: float(law.logpdf(sizes).mean()) for name, law in fitted.items()}
    return means.pop("lognormal") - max(means.values())


def test_what_a_mask_keeps_and_prunes_is_told_apart(results: Results) -> None:
    loaded = results.load()
    rounds = loaded.rounds.filter(seed=1)
    assert len(rounds) == 6 and rounds["run"].n_unique() == 4  # of both arms the first two are one
    runs: dict[tuple[str, int], str] = {
        (row["arm"], row["round"]): row["run"] for row in rounds.to_dicts()
    }
    for (arm, number), run in runs.items():
        found = loaded.grids[run, "weights"]  # of every round, and not of the last alone
        control = number == 2 and "reinitialised" in arm
        first = initial(derive(1, "mask") % 2**31 if control else 1)
        moments = {"initial": (first, None)}
        if number:
            folders = [results.store.run(runs[arm, n]).path for n in (number - 1, number)]
            masks = load_file(folders[1] / "masks.safetensors")
            before = load_file(folders[0] / "final.safetensors")
            for moment, w in (("initial", first), ("before", before)):
                moments[f"{moment}_kept"] = (w, masks)
                moments[f"{moment}_pruned"] = (w, {name: ~masks[name] for name in masks})
        assert {key.removesuffix("_gain") for key in found if key.endswith("_gain")} == {*moments}
        for moment, (w, masks) in moments.items():
            for index, layer in enumerate(LAYERS):
                names = LAYERS[:2] if layer == "all" else [layer]
                sizes = sizes_of(*(w[n] if masks is None else w[n][masks[n]] for n in names))
                assert found[f"{moment}_median"][index] == pytest.approx(np.median(sizes))
                assert found[f"{moment}_gain"][index] == pytest.approx(gain_of(sizes), abs=1e-6)
                assert sum(found[f"{moment}_size_counts"][index]) == len(sizes)
                counts = found[f"{moment}_log10_counts"][index]
                edges = [-np.inf, *(np.arange(-80, 11) / 10), np.inf]
                assert counts == np.histogram(np.log10(sizes), edges)[0].tolist()
    pruned = loaded.grids[runs["pruned", 1], "weights"]
    # Pruned by size, so the sizes do not overlap; those they had before training do.
    cut = [np.array(pruned[f"before_{part}_log10_counts"][-1]).nonzero()[0] for part in PARTS]
    assert cut[0].min() >= cut[1].max()
    began = [np.array(pruned[f"initial_{part}_log10_counts"][-1]).nonzero()[0] for part in PARTS]
    assert began[0].min() < began[1].max()


PARTS = ("kept", "pruned")


def test_names_are_in_no_row(results: Results) -> None:
    frame = results.probes()
    assert {"stable_rank", "lognormal", "moved"} <= set(frame["figure"])
    assert not {"layer", "best", "log10_counts"} & set(frame["figure"])
    ranks = frame.filter(arm="plain", seed=0, figure="stable_rank").sort("index")["value"]
    assert ranks[0] >= 1 and ranks[1] >= 1 and ranks[2] is None


def test_figures_along_a_training(results: Results) -> None:
    series = results.series().filter(arm="plain", seed=0, figure="deviation", index=0)
    assert series["step"].to_list() == list(range(0, series["step"].max() + 1, 20))
    first = initial(0)["layers.0.weight"].std()
    assert series["value"][0] == pytest.approx(first, rel=1e-6)
    assert series["value"].n_unique() == len(series)
    assert results.series().filter(pl.col("figure").is_in(["layer", "moved"])).is_empty()


def test_layers_are_compared_and_all_of_it_is_in_the_report(results: Results) -> None:
    for (_, label), found in results.load().grids.items():
        if label == "similarity":
            assert found["layer"] == ["relu 1", "output"]
            likeness = np.array(found["cka"])
            assert np.diag(likeness) == pytest.approx([1, 1])
            assert likeness[0, 1] == pytest.approx(likeness[1, 0])
            assert 0.1 < likeness[0, 1] < 1
            assert found["compared"] == 100
    page = results.report().path.read_text()
    assert "Weights by layer" in page and "Features by layer" in page
    folder = results.store.study_folder("study")
    drawn = {path.stem.rpartition("-")[0] for path in folder.glob("figures/*.png")}
    assert {"weights-digits-mlp", "cka-digits-mlp-similarity"} <= drawn
    table = pl.read_csv(folder / "tables" / "weights.csv")
    assert table.filter(arm="plain")["layer"].to_list() == LAYERS
    assert table["flipped_mean"].is_between(0, 0.5).all()
    assert "Weights by round" in page
    for what in ("initial", "before", "rounds"):
        assert (folder / "figures" / f"weights-digits-mlp-weights-{what}.png").exists()
    rounds = pl.read_csv(folder / "tables" / "rewind_analysis_results.csv")
    assert rounds["round"].to_list() == [*[None] * 2, *[0, 1, 2] * 4]
    loaded = results.load()
    for row in rounds.rows(named=True):
        assert row["weight_moved"] == loaded.grids[row["run"], "weights"]["moved"][-1]
    kept = rounds.filter(arm="pruned")["kept"].to_list()
    assert kept == pytest.approx([1, 0.5, 0.2] * 2, abs=1e-3)
    layers = pl.read_csv(folder / "tables" / "per_layer_results.csv")
    assert layers["layer"].to_list() == LAYERS[:2] * 14
    figures = pl.read_csv(folder / "tables" / "similarity.csv")
    separation = figures.filter(arm="plain")["class_separation_mean"]
    assert 0 < separation[0] < separation[1] < 1
