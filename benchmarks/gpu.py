"""All that is measured on a GPU, in one run of a few minutes, as one Markdown table.

LeNet-5 and the MLP 784-256-128-10 on Fashion-MNIST (synthetic images of its size where it is not
on this machine; nothing is downloaded), batch 64, SGD with momentum 0.9, data on the GPU:

- plain eager PyTorch, one run at a time, fused SGD;
- thalweg with K runs stacked, its step captured as a CUDA graph; at K = 8 also not captured.

"a model-epoch" is the seconds of 60,000 examples divided by K, extrapolated from so many steps as
``--steps`` says (fewer at K > 64); "with evaluation" adds one of 10,000 examples. The first steps
(warm-up, capture) are not counted. Contestants take turns; figures are medians over the rounds.
Everybody computes as PyTorch does by default (TF32 in convolutions, float32 in products), and
once more with TF32 allowed in products too; only the check of the captured step against the eager
one forbids TF32.

It needs torch, numpy, pydantic and pooch (``pip install pydantic pooch``), and nothing of this
package installed: ``python -m benchmarks.gpu`` in the repository's root. With ``--device cpu
--smoke`` it goes the same ways at tiny sizes on the CPU, where nothing is captured.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks import engine  # noqa: F401  # before the package
from benchmarks.peers import eager
from thalweg.cohort import (
    AutogradBackend,
    Closure,
    Cohort,
    Listener,
    RowOptimizer,
    Settings,
    Training,
    flops_per_example,
)
from thalweg.data import Split, Task, locate
from thalweg.data.sources import SOURCES
from thalweg.models import build_model
from thalweg.optim.plain.sgd import SGD, SGDHyperparameters
from thalweg.optim.rule import RuleOptimizer

TRAIN, TEST, BATCH = 60_000, 10_000, 64
NETWORKS = ("lenet5", "mlp")


@dataclass(frozen=True)
class Sizes:
    """What is measured; see the options."""

    steps: int = 200
    runs: tuple[int, ...] = (1, 8, 64, 256, 1024)
    rounds: int = 3
    train: int = TRAIN
    test: int = TEST
    products: tuple[int, ...] = (4096, 8192)
    checked_steps: int = 50

    def steps_at(self, K: int) -> int:
        """Fewer at large K, where a step takes longer."""
        return max(self.steps // 10, min(self.steps, self.steps * 64 // K))


SMOKE = Sizes(4, (1, 3), 1, 512, 128, (64,), 3)


@dataclass(frozen=True)
class Sample:
    """Seconds of one run's epoch and evaluation, and the most memory held."""

    epoch: float
    evaluation: float
    memory: int


def load_task(device: torch.device, sizes: Sizes) -> tuple[Task, str]:
    """Return Fashion-MNIST on the device, or images of its size, and where they come from."""
    source = SOURCES["fashion-mnist"]
    arrays = locate.search("fashion-mnist").arrays
    splits = []
    for role, count in (("train", sizes.train), ("test", sizes.test)):
        if arrays:
            images = torch.from_numpy(arrays[f"{role}_images"][:count]).unsqueeze(1)
            labels = torch.from_numpy(arrays[f"{role}_labels"][:count]).long()
        else:
            shape = (count, 1, 28, 28)
            images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
            labels = torch.randint(0, 10, (count,), device=device)
        splits.append(Split(images, labels, mean=source.mean, std=source.std))
    task = Task(
        "fashion-mnist", "cross_entropy", 10, source.class_names, splits[0], None, splits[1]
    )
    return task.to(device), "Fashion-MNIST" if arrays else "synthetic images"


# --- contestants


def measure_eager(network: str, task: Task, sizes: Sizes) -> Sample:
    """Plain eager PyTorch, one run."""
    images, labels = task.train.batch(slice(None))
    images = images.squeeze(1)
    tests, answers = task.test.batch(slice(None))
    model = eager.NETWORKS[network]().to(images.device)

    def evaluate() -> tuple[float, float]:
        outputs = torch.cat([model(part) for part in tests.squeeze(1).split(2000)])
        accuracy = (outputs.argmax(1) == answers).double().mean()
        return cross_entropy(outputs, answers).item(), accuracy.item()

    def train(steps: int) -> None:
        eager.train_network(model, images, labels, BATCH, steps)

    train(min(20, sizes.steps))
    seconds = clocked(lambda: train(sizes.steps), images.device)
    with torch.no_grad():
        evaluate()
        evaluation = clocked(evaluate, images.device)
    return Sample(seconds * epochs_in(sizes.steps), evaluation, memory(images.device))


class Uncaptured(RowOptimizer):
    """An optimizer that does not offer its step for capture."""

    def __init__(self, optimizer: RowOptimizer) -> None:
        self._optimizer = optimizer

    def step(self, lr_scale: float | Tensor, closure: Closure) -> int:
        return self._optimizer.step(lr_scale, closure)

    def row_state(self, row: int) -> Any:
        return self._optimizer.row_state(row)

    def load_row_state(self, row: int, state: Any) -> None:
        self._optimizer.load_row_state(row, state)


def build(network: str, task: Task, K: int, steps: int, epochs: int, captured: bool) -> Training:
    """Return K stacked runs whose epoch is so many steps."""
    modules = [build_model(network, {}, task.shape, 10, seed, None) for seed in range(K)]
    cohort = Cohort(modules, list(range(K)), task.train.inputs.device)
    hyperparameters = [SGDHyperparameters(lr=0.01, momentum=0.9)] * K
    optimizer: RowOptimizer = RuleOptimizer(SGD(), cohort, hyperparameters)
    settings = Settings(
        epochs=epochs,
        batch_size=BATCH,
        shared_order=False,
        evaluate_every=epochs,
        clip_norm=None,
        lr=[0.01] * K,
        lr_scale=lambda step: 1.0,
        flops_per_example=0.0,
    )
    part = torch.arange(min(steps * BATCH, len(task.train)), device=cohort.W.device)
    return Training(
        cohort,
        replace(task, train=task.train.subset(part)),
        AutogradBackend("cross_entropy", stacked=True),
        optimizer if captured else Uncaptured(optimizer),
        settings,
    )


class Clock(Listener):
    """Notes when every epoch ended; the loop has waited for the device by then."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_epoch(self, training: Training) -> None:
        self.ends.append(time.perf_counter())


def measure_ours(network: str, task: Task, sizes: Sizes, K: int, captured: bool = True) -> Sample:
    """Four epochs: the first warms up, the next two count, the last is evaluated."""
    training = build(network, task, K, sizes.steps_at(K), 4, captured)
    clock = Clock()
    training.run(clock)
    first, _, third, last = clock.ends
    epoch = (third - first) / 2
    whole = epoch * epochs_in(training.steps_per_epoch)
    evaluation = max(last - third - epoch, 0.0)
    return Sample(whole / K, evaluation / K, memory(task.train.inputs.device))


def captured_difference(network: str, task: Task, sizes: Sizes, K: int) -> tuple[float, float]:
    """Return the largest difference of weights after some steps, captured against not captured
    and, for comparison, not captured against itself; relative to the largest weight.
    """
    weights = []
    with precision(tf32=False):
        for captured in (True, False, False):
            training = build(network, task, K, sizes.checked_steps, 1, captured)
            training.run()
            weights.append(training.cohort.W)
    scale = weights[1].abs().max()
    captured_one, once, again = weights
    return (
        ((captured_one - once).abs().max() / scale).item(),
        ((again - once).abs().max() / scale).item(),
    )


def matrix_peak(device: torch.device, sizes: Sizes) -> float:
    """Return the FLOP/s of the best of several products."""
    best = 0.0
    for n in sizes.products:
        left, right = torch.rand(n, n, device=device), torch.rand(n, n, device=device)
        multiply = lambda left=left, right=right: torch.mm(left, right)  # noqa: E731
        multiply()
        best = max(best, 2 * n**3 / min(clocked(multiply, device) for _ in range(6)))
    return best


# --- instruments


def clocked(work: Callable[[], Any], device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def epochs_in(steps: int) -> float:
    """Return how many times so many steps go into a pass over 60,000 examples."""
    return TRAIN / (steps * BATCH)


@contextmanager
def precision(tf32: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def sample(measure: Callable[[], Sample], device: torch.device, samples: list[Sample]) -> str:
    """Take one sample; return why there is none, or ""."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        samples.append(measure())
    except torch.cuda.OutOfMemoryError:
        return "out of memory"
    return ""


# --- the report


def print_network(network: str, task: Task, sizes: Sizes, peak: float, until: float) -> None:
    """Measure and print a network's rows; begin no further round after the time ``until``."""
    device = task.train.inputs.device
    contestants: dict[str, Callable[[], Sample]] = {
        "plain eager PyTorch, a run at a time": lambda: measure_eager(network, task, sizes)
    }
    for K in sizes.runs:
        contestants[f"thalweg, K = {K}"] = lambda K=K: measure_ours(network, task, sizes, K)
    few = sizes.runs[1]
    contestants[f"thalweg, K = {few}, not captured"] = lambda: measure_ours(
        network, task, sizes, few, captured=False
    )
    samples: dict[str, list[Sample]] = {label: [] for label in contestants}
    failures = dict.fromkeys(contestants, "")
    for done in range(sizes.rounds):
        if done and time.perf_counter() > until:
            break
        for label, measure in contestants.items():
            if not failures[label]:
                failures[label] = sample(measure, device, samples[label])
    with precision(tf32=True):
        largest = max((K for K in sizes.runs if K <= 256), default=1)
        label = f"thalweg, K = {largest}, TF32 in products too"
        samples[label] = []
        failures[label] = sample(
            lambda: measure_ours(network, task, sizes, largest), device, samples[label]
        )

    module = build_model(network, {}, task.shape, 10, 0, None)
    flops = TRAIN * flops_per_example(module, task.shape)
    plain = next(iter(samples.values()))
    base = median(s.epoch for s in plain)
    full = median(s.epoch + s.evaluation for s in plain)
    for label, taken in samples.items():
        if failures[label] or not taken:
            print(f"| {network} | {label} | {failures[label]} | | | | | |")
            continue
        epoch = median(s.epoch for s in taken)
        evaluated = median(s.epoch + s.evaluation for s in taken)
        print(
            f"| {network} | {label} | {epoch:.4g} | {base / epoch:.1f} | {evaluated:.4g} "
            f"| {full / evaluated:.1f} | {flops / epoch / peak:.1%} "
            f"| {max(s.memory for s in taken) / 2**30:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--steps", type=int, help="default 200")
    parser.add_argument(
        "--seconds", type=float, default=240, help="no further round is begun after so many"
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to test the code")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device here; --device cpu --smoke tests the code.")
    given = {"rounds": arguments.rounds, "steps": arguments.steps}
    sizes = replace(
        SMOKE if arguments.smoke else Sizes(), **{k: v for k, v in given.items() if v is not None}
    )
    device = torch.device(arguments.device)
    start = time.perf_counter()
    task, data = load_task(device, sizes)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    with precision(tf32=False):
        peak = matrix_peak(device, sizes)
    with precision(tf32=True):
        peak_tf32 = matrix_peak(device, sizes)
    print(f"{name}; torch {torch.__version__}; {data}; batch {BATCH}\n")
    print(f"Matrix peak: float32 {peak / 1e12:.3g} TFLOP/s, TF32 {peak_tf32 / 1e12:.3g} TFLOP/s.\n")
    print(
        "| network | contestant | s a model-epoch | × eager | s with evaluation | × eager "
        "| share of the float32 peak | GiB |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for i, network in enumerate(NETWORKS, 1):
        until = start + arguments.seconds * i / len(NETWORKS)
        print_network(network, task, sizes, peak, until)
    K = sizes.runs[1]
    for network in NETWORKS:
        captured, repeated = captured_difference(network, task, sizes, K)
        print(
            f"| {network} | weights after {sizes.checked_steps} steps, K = {K}: captured differs "
            f"from eager by {captured:.1e}, eager from itself by {repeated:.1e} | | | | | | |"
        )
    print(f"\nTook {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
