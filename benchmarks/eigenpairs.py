"""The two largest eigenvalues of LeNet-5's Hessian on 5,000 images of Fashion-MNIST.

Contestants: PyHessian's power iteration, curvlinops' operator under SciPy's `eigsh`, our Lanczos on
autograd, and on the compiled kernels; one thread each. Ours stops at relative residuals of 0.1 %;
eigsh is given that tolerance, and PyHessian its own, which is of the change between two
iterations. The network is trained for an epoch first: at its initial weights the spectrum is flat.
"""

import argparse
import time
from collections.abc import Callable

import torch
from curvlinops import HessianLinearOperator
from pyhessian import hessian as pyhessian
from scipy.sparse.linalg import eigsh
from torch import nn

from benchmarks.harness import compare, fresh
from benchmarks.trained import trained
from thalweg.cohort import AutogradBackend
from thalweg.measure.curvature import CurvatureOperator, eigenpairs
from thalweg.measure.subject import Subject

TOLERANCE = 1e-3
MICROBATCH = 500


def solve(kind: str, examples: int) -> tuple[list[float], float]:
    """Return the eigenvalues and the largest relative residual."""
    module, task = trained()
    subject = Subject.of(module, task, examples)
    operator = CurvatureOperator(subject)
    if kind.startswith("thalweg"):
        if kind == "thalweg autograd":
            subject = Subject(
                *(subject.cohort, subject.task, AutogradBackend(task.loss, stacked=False)),
                *(subject.split, subject.index, subject.seed),
            )
            operator = CurvatureOperator(subject)
        found = eigenpairs(operator, 2, tolerance=TOLERANCE)
        return found.values[0].tolist(), float((found.residuals / found.values).max())
    batches = [task.train.batch(part) for part in subject.index.split(MICROBATCH)]
    if kind == "PyHessian":
        values, vectors = pyhessian(
            module, nn.CrossEntropyLoss(), dataloader=batches, cuda=False
        ).eigenvalues(top_n=2, tol=TOLERANCE)
        stacked = torch.stack([torch.cat([p.reshape(-1) for p in v]) for v in vectors])
    else:
        linear = HessianLinearOperator(
            module, nn.CrossEntropyLoss(), list(module.parameters()), batches
        ).to_scipy()
        values, columns = eigsh(linear, k=2, which="LA", tol=TOLERANCE)
        values, stacked = values[::-1].tolist(), torch.from_numpy(columns.T[::-1].copy())
    v = stacked.to(operator.like)
    residual = (operator(v.unsqueeze(0))[0] - torch.tensor(values).unsqueeze(1) * v).norm(dim=1)
    return values, float((residual / torch.tensor(values)).max())


def measure(kind: str, examples: int) -> float:
    torch.set_num_threads(1)
    trained()
    start = time.perf_counter()
    solve(kind, examples)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=5000)
    arguments = parser.parse_args()
    kinds = ["PyHessian", "curvlinops and eigsh", "thalweg autograd", "thalweg native"]
    contestants: dict[str, Callable[[], float]] = {
        kind: fresh(measure, kind, arguments.examples) for kind in kinds
    }
    comparison = compare(contestants, arguments.rounds)
    print(f"Two eigenpairs on {arguments.examples:,} examples\n\n{comparison.markdown()}\n")
    for own in kinds[2:]:
        for peer in kinds[:2]:
            print(f"- {comparison.ratio(own, peer)}")
    torch.set_num_threads(1)
    for kind in kinds:
        values, residual = solve(kind, arguments.examples)
        print(f"- {kind}: {values[0]:.4f}, {values[1]:.4f}; relative residual {residual:.1e}")


if __name__ == "__main__":
    main()
