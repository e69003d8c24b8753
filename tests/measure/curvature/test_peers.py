"""LeNet-5's Hessian as curvlinops and PyHessian compute it."""

import pytest
import torch
from pyhessian import hessian as pyhessian
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn

from thalweg.data import Task, load_task
from thalweg.measure import hessian
from thalweg.models import build_model


def trained() -> tuple[nn.Module, Task, list[tuple[Tensor, Tensor]]]:
    task = load_task("digits", {"size": 28})
    module = build_model("lenet5", {}, task.shape, task.outputs, 0, None)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for index in torch.arange(len(task.train)).split(64) * 3:
        inputs, targets = task.train.batch(index)
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(inputs), targets).backward()
        optimizer.step()
    batches = [task.train.batch(part) for part in torch.arange(len(task.train)).split(230)]
    return module.eval(), task, batches


@pytest.mark.filterwarnings("ignore")
def test_the_largest_eigenvalue_is_pyhessian_s() -> None:
    module, task, batches = trained()
    ours = hessian(module, task).top(1, tolerance=1e-4)
    assert ours.converged.all()
    theirs, _ = pyhessian(
        module, nn.CrossEntropyLoss(), dataloader=batches, cuda=False
    ).eigenvalues(top_n=1, tol=1e-4)
    assert float(ours.values) == pytest.approx(theirs[0], rel=1e-2)


@pytest.mark.filterwarnings("ignore")
def test_products_and_eigenvalues_are_curvlinops_and_scipy_s() -> None:
    """With the extra ``bench``: curvlinops brings torchvision, which this package does without."""
    curvlinops = pytest.importorskip("curvlinops")
    module, task, batches = trained()
    matrix = hessian(module, task)
    theirs = curvlinops.HessianLinearOperator(
        module, nn.CrossEntropyLoss(), list(module.parameters()), batches
    ).to_scipy()
    v = torch.randn(matrix.operator.size)
    expected = torch.from_numpy(theirs @ v.numpy())
    torch.testing.assert_close(matrix.matvec(v), expected, rtol=1e-3, atol=1e-5)
    values = eigsh(theirs, k=2, which="LA", tol=1e-4, return_eigenvectors=False)[::-1]
    found = matrix.top(2, tolerance=1e-4).values[0]
    assert found.tolist() == pytest.approx(values.tolist(), rel=1e-3)
