"""The loss of LeNet-5 over a random, filter-normalised plane: 41 × 41 networks, 1,000 images.

Contestants: `random_plane` of the package loss-landscapes, our `surface` on autograd and on the
compiled kernels; processor seconds of one thread each. All take the same trained network and the
images as one batch. The peer draws its directions from U[0, 1), leaves the network itself out of
its grid and gives no accuracies: that costs about the same.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from loss_landscapes import point, random_plane
from loss_landscapes.metrics import Loss
from torch import nn

from benchmarks.harness import compare, fresh
from benchmarks.trained import trained
from thalweg.cohort import AutogradBackend
from thalweg.measure.landscape import Surface, filter_normalized, steps_of, surface
from thalweg.measure.subject import Subject

PEER, AUTOGRAD, NATIVE = "loss-landscapes", "thalweg autograd", "thalweg native"


def ours(kind: str, examples: int, points: int) -> Surface:
    module, task = trained()
    subject = Subject.of(module, task, examples)
    if kind == AUTOGRAD:
        subject = replace(subject, backend=AutogradBackend(task.loss, stacked=False))
    cohort = subject.cohort
    directions = [filter_normalized(cohort.W[0], cohort.layout, 0, i) for i in range(2)]
    return surface(subject, directions, [steps_of(1.0, points)] * 2)


def loss(examples: int) -> Loss:
    module, task = trained()
    subject = Subject.of(module, task, examples)
    return Loss(nn.CrossEntropyLoss(), *subject.split.batch(subject.index))


def measure(kind: str, examples: int, points: int) -> float:
    torch.set_num_threads(1)
    module, _ = trained()
    metric = loss(examples)
    start = time.process_time()  # of one thread, so that what else runs disturbs it less
    if kind == PEER:
        random_plane(module, metric, 1, points, "filter", deepcopy_model=True)
    else:
        ours(kind, examples, points)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--points", type=int, default=41)
    arguments = parser.parse_args()
    work = (arguments.examples, arguments.points)
    contestants: dict[str, Callable[[], float]] = {
        kind: fresh(measure, kind, *work) for kind in (PEER, AUTOGRAD, NATIVE)
    }
    comparison = compare(contestants, arguments.rounds)
    places = f"{arguments.points} × {arguments.points} places, {arguments.examples:,} examples"
    print(f"{places}\n\n{comparison.markdown()}\n")
    for kind in (AUTOGRAD, NATIVE):
        print(f"- {comparison.ratio(kind, PEER)}")
    torch.set_num_threads(1)
    first, second = (ours(kind, arguments.examples, 3) for kind in (AUTOGRAD, NATIVE))
    apart = ((first.loss - second.loss).abs() / first.loss).max()
    print(f"- autograd's losses and the kernels' differ by {apart:.1e} of themselves at most")
    module, _ = trained()
    at_network = point(module, loss(arguments.examples))
    print(f"- at the network: {at_network:.6f} by the peer, {second.at_origin:.6f} by ours")


if __name__ == "__main__":
    main()
