"""Folders as the public studies leave them, small, with the names and columns of theirs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from thalweg.data import load_task

HIDDEN = 6
LAYERS = 3

Tensors = dict[str, Tensor]


class Model(nn.Module):
    """The public study's network, on images of eight rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(8, HIDDEN, LAYERS, nonlinearity="tanh", batch_first=True)
        self.fc = nn.Linear(HIDDEN, 10)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x.squeeze(1))
        return self.fc(out[:, -1, :])


def network(seed: int) -> Tensors:
    """Weights that PyTorch draws."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return {name: value.clone() for name, value in Model().state_dict().items()}


def pruned_names() -> list[str]:
    """The weights that the public study prunes."""
    between = [f"rnn.weight_ih_l{layer}" for layer in range(1, LAYERS)]
    return [f"rnn.weight_hh_l{layer}" for layer in range(LAYERS)] + between


def masks(weights: Tensors, kept: int) -> Tensors:
    """Masks of the largest of these weights, exactly so many, under the public keys."""
    flat = torch.cat([weights[name].abs().flatten() for name in pruned_names()])
    keep = torch.zeros_like(flat)
    keep[flat.argsort(descending=True)[:kept]] = 1
    parts = keep.split([weights[name].numel() for name in pruned_names()])
    return {
        f"{name}_mask": part.view_as(weights[name])
        for name, part in zip(pruned_names(), parts, strict=True)
    }


TOTAL = 5 * HIDDEN * HIDDEN
"""Weights that are pruned."""


def masked(weights: Tensors, mask: Mapping[str, Tensor]) -> Tensors:
    return {n: w * mask[f"{n}_mask"] if f"{n}_mask" in mask else w for n, w in weights.items()}


def test_loss(weights: Tensors) -> float:
    """Mean cross-entropy on the test split of the digits, by PyTorch's own RNN."""
    task = load_task("digits", {}, None)
    inputs, targets = task.test.batch(slice(None))
    model = Model()
    model.load_state_dict(weights)
    with torch.no_grad():
        return cross_entropy(model(inputs).double(), targets).item()


test_loss.__test__ = False  # type: ignore[attr-defined]

HEAD = "Epoch,Train Loss,Train Acc (%),Test Loss,Test Acc (%)"


def figures(epochs: int, offset: float = 0.0, last_loss: float = 0.5, more: str = "") -> str:
    """Figures by epoch as the public scripts write them; test accuracies rise by one point."""
    lines = [HEAD + (",LR,Alg,Seed" if more else "")]
    for epoch in range(1, epochs + 1):
        loss = last_loss if epoch == epochs else 1.0 - 0.01 * epoch
        line = f"{epoch},{1.1 - 0.02 * epoch},{70 + epoch},{loss!r},{80 + offset + epoch}"
        lines.append(line + (f",{more}" if more else ""))
    return "\n".join(lines) + "\n"


def log(rows: Sequence[tuple[int, int]]) -> str:
    """A log of prunings: epoch and weights kept."""
    lines = ["Epoch,Remaining Fraction,Pruned Fraction,Nonzeros,Total"]
    lines += [f"{e},{k / TOTAL!r},{1 - k / TOTAL!r},{k},{TOTAL}" for e, k in rows]
    return "\n".join(lines) + "\n"


def write_ticket(
    folder: Path, prefix: str, seed: int, prunings: Sequence[tuple[int, int]], epochs: int = 8
) -> None:
    """Write all files of one training with prunings: epoch and weights kept."""
    theta = network(seed)
    (folder / f"{prefix}_masks").mkdir(parents=True, exist_ok=True)
    last = {}
    for epoch, kept in prunings:
        last = masks(theta, kept)
        torch.save(last, folder / f"{prefix}_masks" / f"mask_ep{epoch}.pt")
    torch.save(last, folder / f"{prefix}_masks" / "mask_final.pt")
    torch.save(theta, folder / f"{prefix}_theta_k_ep1.pth")
    final = masked(network(seed + 100), last)
    torch.save(final, folder / f"{prefix}_lottery_ticket_trained_weights.pth")
    (folder / f"{prefix}_sparsity_log.csv").write_text(log(prunings))
    text = figures(epochs, seed, test_loss(final))
    (folder / f"{prefix}_lottery_ticket_metrics.csv").write_text(text)


FAULTY = ((3, 120), (6, 80), (8, 36))
"""Prunings of which the last comes after the last epoch, as in the public study."""

SOUND = ((3, 120), (6, 36))


def write_study(root: Path) -> Path:
    """Write a folder as the study of EG against GD left one."""
    (root / "out").mkdir(parents=True)
    for alg, rate, offset in (("gd", 0.022, 1.0), ("eg", 0.7, 0.0)):
        text = figures(8, offset, more=f"{rate},{alg},42")
        (root / "out" / f"{alg}_training_metrics.csv").write_text(text)
    write_ticket(root / "prune_out", "gd_prune", 1, FAULTY)
    write_ticket(root / "prune_out", "eg_prune", 2, SOUND)
    (root / "prune_train.py").write_text("print('not run')\n")
    (root / "analysis").mkdir()
    (root / "analysis" / "per_layer_results.csv").write_text("Model,Layer,nodes\nGD,hh_l0,6\n")
    (root / ".DS_Store").write_bytes(b"\0")
    return root
