"""Draw ways to a sparse LeNet-5 from the tables of docs/results/sparse-lenet5.

Run as a script, it writes ``docs/figures/sparse-methods.svg`` beside this file.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

HERE = Path(__file__).parent
TABLE = HERE.parent / "results" / "sparse-lenet5" / "tables" / "final.csv"
KEPT = (0.6, 0.2, 0.1, 0.05)
ROUNDS = "{} target={:g}{}"
WAYS = (
    ("ticket: three rounds, rewound", "ticket", "", "o-", "#0072b2"),
    ("its control: a random mask", "ticket", " random", "o:", "#0072b2"),
    ("one round, rate rewound", "learning-rate-rewound", "", "s-", "#56b4e9"),
    ("magnitude, once, half way", "magnitude", None, "^-", "#d55e00"),
    ("gradual", "gradual", None, "v-", "#e69f00"),
    ("SynFlow, before training", "synflow", None, "D-", "#009e73"),
    ("RigL, sparse throughout", "rigl", None, "P-", "#cc79a7"),
)


def draw() -> None:
    table = {row["arm"]: row for row in pl.read_csv(TABLE).to_dicts()}
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "thalweg", "svg.fonttype": "path"})
    figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
    dense = table["dense"]
    low, mean, high = (100 * dense[f"test_accuracy_{part}"] for part in ("low", "mean", "high"))
    axes.axhspan(low, high, color="#999999", alpha=0.25, lw=0)
    axes.axhline(mean, color="#555555", lw=1, label="dense, with its 95 % interval")
    for shift, (label, name, ending, style, colour) in enumerate(WAYS, -3):
        arms = [
            table[f"{name} keep={kept:g}" if ending is None else _rounds(name, kept, ending)]
            for kept in KEPT
        ]
        means = [100 * arm["test_accuracy_mean"] for arm in arms]
        halves = [100 * (arm["test_accuracy_high"] - arm["test_accuracy_mean"]) for arm in arms]
        places = [100 * kept * 1.015**shift for kept in KEPT]
        axes.errorbar(places, means, halves, None, style, color=colour, ms=4, lw=1.2, label=label)
    axes.set_xscale("log")
    axes.set_xticks([100 * kept for kept in KEPT], [f"{100 * kept:g}" for kept in KEPT])
    axes.minorticks_off()
    axes.invert_xaxis()
    axes.set_ylim(80, 91.8)
    axes.set_xlabel("Weights kept (%)")
    axes.set_ylabel("Test accuracy (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(HERE / "sparse-methods.svg", metadata={"Date": None})


def _rounds(name: str, kept: float, ending: str) -> str:
    return ROUNDS.format(name, round(1 - kept, 2), ending)


if __name__ == "__main__":
    draw()
