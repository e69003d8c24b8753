"""Small networks and tasks whose curvature can be written out as a dense float64 matrix."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from thalweg.cohort.losses import example_losses, times_output_hessian
from thalweg.data import Split, Task
from thalweg.models import build_model

SHAPES = {"mlp": (6,), "conv": (1, 8, 8), "rnn": (1, 4, 5), "regression": (1,)}


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.fc = nn.Linear(27, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.max_pool2d(torch.tanh(self.conv(x)), 2)
        out: Tensor = self.fc(features.flatten(1))
        return out


def network(kind: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    if kind == "conv":
        return Conv().double()
    options = {
        "mlp": {"widths": [5, 4], "activation": "tanh"},
        "rnn": {"hidden": 6, "layers": 2},
        "regression": {"widths": [7], "activation": "tanh"},
    }[kind]
    name = "mlp" if kind == "regression" else kind
    outputs = 1 if kind == "regression" else 3
    return build_model(name, options, SHAPES[kind], outputs, seed, None).double()


def task(kind: str, examples: int = 37) -> Task:
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(examples, *SHAPES[kind], generator=draw, dtype=torch.float64)
    if kind == "regression":
        split = Split(inputs, torch.sin(3 * inputs), dtype=torch.float64)
        return Task("sine", "mse", 1, (), split, None, split)
    targets = torch.randint(3, (examples,), generator=draw)
    split = Split(inputs, targets, dtype=torch.float64)
    return Task("drawn", "cross_entropy", 3, ("a", "b", "c"), split, None, split)


Loss = Callable[[Tensor], Tensor]


def as_function(module: nn.Module, data: Task) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the flat weights, and the outputs on the training split as a function of them."""
    names = [name for name, _ in module.named_parameters()]
    shapes = [p.shape for p in module.parameters()]
    flat = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    inputs, _ = data.train.batch(slice(0, len(data.train)))

    def outputs(w: Tensor) -> Tensor:
        parts = w.split([shape.numel() for shape in shapes])
        named = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        found: Tensor = functional_call(module, named, (inputs,))
        return found

    return flat, outputs


def dense(kind: str, curvature: str, module: nn.Module, data: Task) -> Tensor:
    """Return the curvature matrix ``(D, D)`` by autograd, entry by entry."""
    for part in module.modules():
        if hasattr(part, "unrolled"):
            part.unrolled = True
    w, outputs = as_function(module, data)
    _, targets = data.train.batch(slice(0, len(data.train)))

    def losses(w: Tensor) -> Tensor:
        return example_losses(data.loss, outputs(w), targets)

    if curvature == "hessian":
        found: Tensor = torch.autograd.functional.hessian(lambda w: losses(w).mean(), w)
        return found
    if curvature == "empirical_fisher":
        G = torch.autograd.functional.jacobian(losses, w)
        return G.T @ G / len(G)
    J = torch.autograd.functional.jacobian(outputs, w)  # (N, C, D)
    logits = outputs(w)
    curved = torch.stack(
        [times_output_hessian(data.loss, logits, J[:, :, d]) for d in range(len(w))], 2
    )
    return torch.einsum("ncd,nce->de", J, curved) / len(J)


def eigenvalues(matrix: Tensor) -> Sequence[float]:
    return sorted(torch.linalg.eigvalsh(matrix).tolist(), reverse=True)
