"""One Hessian-vector product of LeNet-5 on 5,000 images of Fashion-MNIST.

Contestants: double backward in plain PyTorch (channels-last, ReLU after pooling), one thread and
all; our autograd backend, one thread; the compiled kernels, one thread and all. Whoever works by
autograd takes the images in microbatches (500 by default) and adds up; the kernels take them in one
call. All compute the same product, checked at the end.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.harness import compare, fresh
from benchmarks.peers import eager
from thalweg.cohort import AutogradBackend, Batch, Cohort, GradientBackend, NativeBackend
from thalweg.cohort.planner import available_cores
from thalweg.data import load_task
from thalweg.data.locate import load
from thalweg.models import build_model
from thalweg.native import recognize

Product = Callable[[], Tensor]


def direction(parameters: int) -> Tensor:
    return torch.randn(parameters, generator=torch.Generator().manual_seed(1))


def double_backward(examples: int, microbatch: int) -> Product:
    arrays = load("fashion-mnist")
    images = eager.normalised(arrays["train_images"][:examples])
    labels = torch.from_numpy(arrays["train_labels"][:examples]).long()
    model = eager.LeNet5()
    # Names and order of the parameters are the same in both networks, so these weights are ours.
    model.load_state_dict(build_model("lenet5", {}, (1, 28, 28), 10, 0, None).state_dict())
    weights = list(model.parameters())
    v = direction(sum(w.numel() for w in weights))

    def product() -> Tensor:
        total = torch.zeros_like(v)
        for x, y in zip(images.split(microbatch), labels.split(microbatch), strict=True):
            loss = cross_entropy(model(x), y, reduction="sum") / examples
            gradient = torch.autograd.grad(loss, weights, create_graph=True)
            along = torch.cat([g.reshape(-1) for g in gradient]) @ v
            total += torch.cat([h.reshape(-1) for h in torch.autograd.grad(along, weights)])
        return total

    return product


def ours(kind: str, examples: int, microbatch: int) -> Product:
    task = load_task("fashion-mnist", {"validation": 0})
    module = build_model("lenet5", {}, task.shape, task.outputs, 0, None)
    cohort = Cohort([module], [0])
    if kind == "native":
        chain = recognize(module, task.shape, cohort.layout.slices)
        backend: GradientBackend = NativeBackend(task.loss, chain)
    else:
        backend = AutogradBackend(task.loss, stacked=False)
    V = direction(cohort.layout.size).unsqueeze(0)
    parts = torch.arange(examples).split(examples if kind == "native" else microbatch)

    def product() -> Tensor:
        total = torch.zeros_like(V)
        for part in parts:
            share = len(part) / examples
            total.add_(backend.product(cohort, Batch(task.train, part, 0), V), alpha=share)
        return total[0]

    return product


def build(kind: str, examples: int, microbatch: int) -> Product:
    if kind == "plain":
        return double_backward(examples, microbatch)
    return ours(kind, examples, microbatch)


def measure(kind: str, examples: int, microbatch: int, threads: int, products: int) -> float:
    """Return the seconds of one product, after a first one that is not counted."""
    torch.set_num_threads(threads)
    product = build(kind, examples, microbatch)
    product()
    start = time.perf_counter()
    for _ in range(products):
        product()
    return (time.perf_counter() - start) / products


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--examples", type=int, default=5000)
    parser.add_argument("--microbatch", type=int, default=500)
    parser.add_argument("--products", type=int, default=3, help="averaged in a round")
    arguments = parser.parse_args()
    work = (arguments.examples, arguments.microbatch)
    cores = available_cores()
    contestants = {
        "plain double backward, one thread": ("plain", 1),
        f"plain double backward, {cores} threads": ("plain", cores),
        "thalweg autograd, one thread": ("autograd", 1),
        "thalweg native, one thread": ("native", 1),
        f"thalweg native, {cores} threads": ("native", cores),
    }
    comparison = compare(
        {
            label: fresh(measure, kind, *work, threads, arguments.products)
            for label, (kind, threads) in contestants.items()
        },
        arguments.rounds,
    )
    print(f"Seconds a product on {arguments.examples:,} examples\n\n{comparison.markdown()}\n")
    plain, plain_all, _, one, all_cores = contestants
    print(f"- {comparison.ratio(one, plain)}\n- {comparison.ratio(all_cores, plain, plain_all)}")
    expected = build("plain", *work)()
    for kind in ("autograd", "native"):
        error = (build(kind, *work)() - expected).norm() / expected.norm()
        print(f"- thalweg {kind} differs from plain double backward by {error:.1e} of its norm")


if __name__ == "__main__":
    main()
