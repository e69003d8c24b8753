from pathlib import PurePosixPath

import pytest

from thalweg.imports.names import FileName, Part, optimizer_in, read_name, split_prefix


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("out/gd_training_metrics.csv", FileName("gd", Part.METRICS)),
        ("gd_prune_lottery_ticket_metrics.csv", FileName("gd_prune", Part.TICKET_METRICS)),
        ("eg_lr1.1_sparsity_log.csv", FileName("eg_lr1.1", Part.LOG)),
        ("eg_prune_theta_k_ep1.pth", FileName("eg_prune", Part.REWOUND, 1)),
        ("x_lottery_ticket_trained_weights.pth", FileName("x", Part.TICKET_WEIGHTS)),
        ("prune_out/gd_prune_masks/mask_ep16.pt", FileName("gd_prune", Part.MASK, 16)),
        ("gd_prune_masks/mask_final.safetensors", FileName("gd_prune", Part.MASK)),
        ("adam/masks/mask_ep3.pt", FileName("adam", Part.MASK, 3)),
        ("adam_seed3/metrics.csv", FileName("adam_seed3", Part.METRICS)),
        ("metrics.csv", FileName("", Part.METRICS)),
        ("adam_final_weights.pt", FileName("adam", Part.WEIGHTS)),
        ("lenet5-sgd.pt", FileName("lenet5-sgd", Part.WEIGHTS, sure=False)),
        ("curve.csv", FileName("curve", Part.METRICS, sure=False)),
        ("base_train.py", None),
        ("weights.pkl", None),
    ],
)
def test_a_path_tells_what_a_file_is(path: str, told: FileName | None) -> None:
    assert read_name(PurePosixPath(path)) == told


@pytest.mark.parametrize(
    ("prefix", "parts"),
    [
        ("gd_prune", ("gd_prune", None, None)),
        ("eg_lr1.1", ("eg", 1.1, None)),
        ("eg_lr0.75_seed3", ("eg", 0.75, 3)),
        ("adam-seed-12", ("adam", None, 12)),
        ("gd_lr1e-3", ("gd", 1e-3, None)),
        ("colr_seeds", ("colr_seeds", None, None)),
        ("seed4", ("", None, 4)),
    ],
)
def test_a_prefix_tells_arm_rate_and_seed(
    prefix: str, parts: tuple[str, float | None, int | None]
) -> None:
    assert split_prefix(prefix) == parts


def test_an_optimizer_is_told_only_by_a_word_of_its_own() -> None:
    assert optimizer_in("gd_prune") == "gd"
    assert optimizer_in("lenet5-adam") == "adam"
    assert optimizer_in("sgd_eg") == "sgd_eg"
    assert optimizer_in("run") is None
    assert optimizer_in("legal") is None
