"""Memory of a Hessian-vector product against that of a gradient: 1,000 images, one thread.

Networks: LeNet-5 and the recurrent network; by the compiled kernels and by autograd. A figure is by
how much the resident set grows at most, the first time a fresh process computes the thing:
activations, working memory and the result, without data, weights and libraries. Needs Linux with
glibc.
"""

import argparse
import ctypes
import gc
from pathlib import Path

import torch

from benchmarks.harness import fresh, machine, spread
from benchmarks.tasks import fashion_mnist
from thalweg.cohort import AutogradBackend, Batch, Cohort, GradientBackend, NativeBackend
from thalweg.models import build_model
from thalweg.native import recognize

NETWORKS = ("lenet5", "rnn")
BACKENDS = ("native", "autograd")
MEBIBYTE = 2**20


def resident(kind: str) -> int:
    """Return a size of this process in bytes: "VmRSS" as it is, "VmHWM" its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(kind))
    return int(line.split()[1]) * 1024


def measure(network: str, backend: str, work: str, examples: int) -> float:
    """Return by how many MiB the process grows while it computes."""
    torch.set_num_threads(1)
    task = fashion_mnist(examples)
    module = build_model(network, {}, task.shape, task.outputs, 0, None)
    cohort = Cohort([module], [0])
    if backend == "native":
        chain = recognize(module, task.shape, cohort.layout.slices)
        computes: GradientBackend = NativeBackend(task.loss, chain)
    else:
        computes = AutogradBackend(task.loss, stacked=False)
        torch.ones(1, requires_grad=True).exp().backward()  # starts what any gradient needs
    V = torch.randn(cohort.W.shape, generator=torch.Generator().manual_seed(0))
    batch = Batch(task.train, torch.arange(examples), 0)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or it would grow into what it has freed
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    if work == "gradient":
        computes.gradient(cohort, batch)
    else:
        computes.product(cohort, batch, V)
    return (resident("VmHWM") - before) / MEBIBYTE


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"{machine()}; torch {torch.__version__}; {arguments.examples:,} examples\n")
    print("| network | backend | gradient, MiB | product, MiB | product ÷ gradient (min–max) |")
    print("|---|---|--:|--:|--:|")
    for network in NETWORKS:
        for backend in BACKENDS:
            gradients, products = [], []
            for _ in range(arguments.rounds):
                for work, found in (("gradient", gradients), ("product", products)):
                    found.append(fresh(measure, network, backend, work, arguments.examples)())
            low, middle, high = spread([p / g for g, p in zip(gradients, products, strict=True)])
            print(
                f"| {network} | {backend} | {spread(gradients)[1]:.1f} | {spread(products)[1]:.1f} "
                f"| {middle:.2f} ({low:.2f}–{high:.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
