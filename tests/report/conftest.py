"""Studies that never ran: results with known numbers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest

from thalweg.store.results import CONFUSION, METRICS, ROUNDS, RUNS, StudyResults

EPOCHS = 6
CLASSES = 5


@dataclass
class Builder:
    """Collects runs with curves that improve towards a final figure, and their confusions."""

    regression: bool = False
    validation: bool = True
    runs: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def run(
        self,
        arm: str,
        seed: int,
        axes: dict[str, Any],
        *,
        quality: float,
        status: str = "done",
        task: str = "digits",
        model: str = "mlp",
        message: str | None = None,
    ) -> None:
        """Add a run whose final test accuracy is ``quality`` and whose test loss is 1 - that."""
        identity = f"run{len(self.runs):04d}"
        done = status == "done"

        def figure(value: float, known: bool = True) -> float | None:
            return value if done and known else None

        classes = not self.regression
        point = ", ".join(f"{k.removeprefix('optimizer.')}={v}" for k, v in axes.items())
        self.runs.append(
            {
                "run": identity,
                "arm": arm,
                "point": point,
                "seed": seed,
                "status": status,
                "task": task,
                "model": model,
                "optimizer": arm.partition("-")[0],
                "hyperparameters": json.dumps({"momentum": 0.9}),
                "axes": json.dumps(axes),
                "lr": axes.get("optimizer.lr", 0.1),
                "batch_size": "64",
                "epochs": EPOCHS,
                "steps": EPOCHS * 20,
                "diverged_step": 37 if status == "diverged" else None,
                "parameters": 61_706,
                "train_loss": figure(0.8 * (1 - quality)),
                "train_accuracy": figure(min(1.0, quality + 0.01), classes),
                "validation_loss": figure(1.01 - quality, self.validation),
                "validation_accuracy": figure(quality - 0.005, classes and self.validation),
                "test_loss": figure(1 - quality),
                "test_accuracy": figure(quality, classes),
                "examples": 7_680 if done else 2_300,
                "gradient_evaluations": 120 if done else 37,
                "flops": 3.1e9 if done else 1e9,
                "seconds": 1.25,
                "backend": "autograd",
                "device": "cpu",
                "rows": 3,
                "message": message,
            }
        )
        if status in ("done", "diverged"):
            self._curve(identity, quality, status)
        if done and classes:
            self._confuse(identity, quality)

    def prune(
        self,
        arm: str,
        seed: int,
        networks: Sequence[tuple[float, float]],
        *,
        control_of: str | None = None,
        status: str = "done",
    ) -> None:
        """Add a run that was pruned: what each round keeps, the dense network first, and its test
        accuracy. A control has the runs of another arm until its last; ``status`` is of its last.
        """
        last = len(networks) - 1
        self.run(arm, seed, {}, quality=networks[-1][1], status=status)
        self.runs[-1]["kept"] = networks[-1][0]
        for number, (kept, quality) in enumerate(networks):
            whose = arm if number == last else (control_of or arm)
            ended = "done" if number < last else status
            identity = "dense" if number == 0 else f"{whose}/{number}"
            known = ended == "done"
            self.rounds.append(
                {
                    "run": f"{identity}/{seed}",
                    "arm": arm,
                    "point": "",
                    "seed": seed,
                    "round": number,
                    "status": ended,
                    "kept": kept,
                    "effective_density": 0.9 * kept,
                    "dead": number,
                    "zombies": 2 * number,
                    "forward_flops": 1000,
                    "nonzero_flops": round(1000 * kept),
                    "test_loss": 1 - quality if known else None,
                    "test_accuracy": quality if known and not self.regression else None,
                    "steps": 120,
                    "epochs": 6.0,
                    "trained": True,
                    "layers": json.dumps({"first.weight": kept, "last.weight": kept**0.5}),
                    "examples": 7_680,
                    "gradient_evaluations": 120,
                    "flops": 3.1e9,
                    "seconds": 1.25,
                }
            )

    def _curve(self, identity: str, quality: float, status: str) -> None:
        last = EPOCHS if status == "done" else 2
        for epoch in range(last + 1):
            accuracy = 0.1 + (quality - 0.1) * (1 - 0.2**epoch) / (1 - 0.2**EPOCHS)
            loss: float | None = 2.3 * (1 - quality) ** (epoch / EPOCHS)
            if status == "diverged" and epoch == last:
                loss = float("inf")
            classes = not self.regression
            self.metrics.append(
                {
                    "run": identity,
                    "epoch": epoch,
                    "step": epoch * 20,
                    "lr": 0.1,
                    "train_loss": None if epoch == 0 else loss,
                    "validation_loss": loss if self.validation else None,
                    "validation_accuracy": accuracy if classes and self.validation else None,
                    "test_loss": loss,
                    "test_accuracy": accuracy if classes else None,
                    "gradient_evaluations": epoch * 20,
                    "flops": 5e8 * epoch,
                    "seconds": 0.2 * epoch,
                }
            )

    def _confuse(self, identity: str, quality: float) -> None:
        right = round(100 * quality)
        for true in range(CLASSES):
            for predicted, count in ((true, right), ((true + 1) % CLASSES, 100 - right)):
                if count:
                    self.confusion.append(
                        {"run": identity, "true": true, "predicted": predicted, "count": count}
                    )

    def results(self, **changes: Any) -> StudyResults:
        settings: dict[str, Any] = {
            "name": "test-study",
            "title": "Momentum against adaptivity",
            "question": "Which optimizer learns the digits best, and at which step size?",
            "runs": pl.DataFrame(self.runs, schema=RUNS),
            "metrics": pl.DataFrame(self.metrics, schema=METRICS),
            "confusion": pl.DataFrame(self.confusion, schema=CONFUSION),
            "rounds": pl.DataFrame(self.rounds, schema=ROUNDS),
            "class_names": {}
            if self.regression
            else {
                task: [f"class {i}" for i in range(CLASSES)]
                for task in {run["task"] for run in self.runs}
            },
            "selection": "validation_loss" if self.regression else "validation_accuracy",
            "provenance": {
                "command": "thalweg run test-study --seeds 3",
                "study_file": '[study]\nname = "test-study"\n\n[train]\nepochs = 6\n',
                "source": "0123456789abcdef",
                "versions": {"thalweg": "0.1.0", "torch": "2.6.0"},
                "machine": "x86_64, 8 cores",
                "started": "2025-01-02T03:04:05+00:00",
                "finished": "2025-01-02T03:06:10+00:00",
                "warnings": [],
            },
        }
        return StudyResults(**{**settings, **changes})


RATES = (0.003, 0.01, 0.03, 0.1, 0.3)


def _quality(arm: int, rate: float, best: float, seed: int) -> float:
    noise = np.random.default_rng([arm, seed]).normal(0, 0.006)
    return float(0.95 - 0.01 * arm - 0.06 * np.log10(rate / best) ** 2 + noise)


@pytest.fixture(scope="session")
def classification() -> StudyResults:
    """Two tasks, three arms, five rates, three seeds: arm "adam" best at the lowest rate, "sgd"
    inside the grid and diverged at the highest rate, "sgd-nesterov" with a failed run.
    """
    builder = Builder()
    for task in ("digits", "fashion-mnist"):
        for index, (arm, best) in enumerate(
            (("adam", 0.003), ("sgd", 0.03), ("sgd-nesterov", 0.02))
        ):
            for rate in RATES:
                for seed in range(3):
                    status, message = "done", None
                    if arm == "sgd" and rate == 0.3 and seed < 2:
                        status = "diverged"
                    if arm == "sgd-nesterov" and rate == 0.3 and seed == 1:
                        status, message = "failed", "MemoryError: out of memory"
                    builder.run(
                        arm,
                        seed,
                        {"optimizer.lr": rate},
                        quality=_quality(index, rate, best, seed),
                        status=status,
                        task=task,
                        message=message,
                    )
    return builder.results(targets={"test_accuracy": [0.8, 0.93]})


@pytest.fixture(scope="session")
def regression() -> StudyResults:
    """One arm without a grid, one with momentum as its grid."""
    builder = Builder(regression=True)
    for seed in range(3):
        builder.run("adam", seed, {}, quality=0.8 + 0.01 * seed, task="sine")
        for momentum in (0.0, 0.5, 0.9):
            builder.run(
                "sgd",
                seed,
                {"optimizer.momentum": momentum},
                quality=0.7 + 0.1 * momentum - 0.005 * seed,
                task="sine",
            )
    return builder.results()


@pytest.fixture(scope="session")
def single_seed() -> StudyResults:
    """One seed, no validation split, a grid of learning rate and momentum."""
    builder = Builder(validation=False)
    for rate in (0.01, 0.1, 1.0):
        for momentum in (0.0, 0.9):
            builder.run(
                "sgd",
                0,
                {"optimizer.lr": rate, "optimizer.momentum": momentum},
                quality=0.9 - 0.05 * abs(np.log10(rate) + 1) + 0.02 * momentum,
            )
    builder.run("adam", 0, {}, quality=0.93)
    return builder.results(selection="test_accuracy")


@pytest.fixture(scope="session")
def all_diverged() -> StudyResults:
    """One arm diverged everywhere, one failed everywhere, one not run."""
    builder = Builder()
    for seed in range(2):
        for rate in (1.0, 10.0):
            builder.run("sgd", seed, {"optimizer.lr": rate}, quality=0.5, status="diverged")
        builder.run("adam", seed, {}, quality=0.5, status="failed", message="boom")
        builder.run("lion", seed, {}, quality=0.5, status="missing")
    return builder.results(targets={"test_loss": [0.5]})


HOSTILE: Sequence[str] = (
    "</script></style>--><script>window.hacked = 1</script>",
    "\"><img src=x onerror='window.hacked = 1'>",
    "_$a^{b}$ & \"quoted\" 'names' <b>bold</b> ${window.hacked = 1}",
    "../../etc: 日本語 \\ %{x} {{ 7 * 7 }} <a href='javascript:hacked = 1'>a</a> [b](javascript:c)",
)


@pytest.fixture(scope="session")
def hostile() -> StudyResults:
    """Every foreign string tries to be something else."""
    builder = Builder()
    for arm in HOSTILE[1:]:
        for seed in range(2):
            for rate in (0.1, 0.2):
                builder.run(
                    arm,
                    seed,
                    {"optimizer.lr": rate, "optimizer.kind": HOSTILE[0]},
                    quality=0.9 + 0.01 * seed,
                    task=HOSTILE[0],
                    model=HOSTILE[2],
                )
            builder.run(
                arm, seed, {}, quality=0, status="failed", task=HOSTILE[0], message=HOSTILE[0]
            )
    return builder.results(
        title=HOSTILE[0],
        question=HOSTILE[1],
        class_names={HOSTILE[0]: [*HOSTILE, "plain"]},
        targets={"test_accuracy": [0.9]},
        provenance={
            "command": HOSTILE[0],
            "study_file": HOSTILE[0],
            "source": HOSTILE[1],
            "versions": {HOSTILE[0]: HOSTILE[1]},
            "machine": HOSTILE[2],
            "started": None,
            "finished": None,
            "warnings": list(HOSTILE),
        },
    )


DENSE = (0.95, 0.94, 0.96, 0.95)


@pytest.fixture(scope="session")
def tickets() -> StudyResults:
    """Four seeds pruned in two rounds, with a control; the dense networks are an arm too."""
    builder = Builder()
    for seed, dense in enumerate(DENSE):
        builder.run("dense", seed, {}, quality=dense)
        builder.runs[-1]["run"] = f"dense/{seed}"
        fading = dense - 0.1 - 0.01 * seed
        builder.prune("imp", seed, [(1, dense), (0.4, dense), (0.1, fading)])
        builder.prune("imp random", seed, [(1, dense), (0.4, dense), (0.1, 0.5)], control_of="imp")
    return builder.results()


@pytest.fixture
def builder() -> Callable[..., Builder]:
    return Builder


@pytest.fixture(scope="session")
def planes() -> StudyResults:
    """Two arms and seeds with the loss on a plane, by class; the path of a training; a spectrum."""
    builder = Builder()
    arms = {"sgd": 1.0, "adam": 3.0}
    for arm in arms:
        for seed in range(2):
            builder.run(arm, seed, {}, quality=0.9)
    grids: dict[tuple[str, str], dict[str, Any]] = {}
    for run in builder.runs:
        bend, draw = arms[run["arm"]], np.random.default_rng(run["seed"])
        first, second = [-1.0, -0.5, 0.0, 0.5, 1.0], [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]
        bowl = [[0.5 + bend * a * a + 0.1 * (b * b + a * b) for b in second] for a in first]
        grids[run["run"], "bowl"] = {
            "steps": [first, second],
            "loss": bowl,
            "accuracy": bowl,
            "class_loss": [[[v + c for v in row] for row in bowl] for c in range(CLASSES)],
        }
        grids[run["run"], "way"] = {
            "steps": [first, second],
            "loss": bowl,
            "accuracy": bowl,
            "path": [[-0.8, 3.0], [-0.2, 1.0], [0.0, 0.0]],
            "path_steps": [0, 10, 20],
            "explained": [0.9, 0.05],
        }
        nodes = np.sort(draw.exponential(bend, (3, 12)))
        grids[run["run"], "spectrum"] = {
            "nodes": nodes.tolist(),
            "weights": draw.dirichlet(np.ones(12), 3).tolist(),
        }
    return builder.results(grids=grids)
