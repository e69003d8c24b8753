"""The peer: eager PyTorch as fast as it goes by hand, one run after the other.

Images lie in memory, normalised once; a step gathers its batch, there is no loader. LeNet-5 works
channels-last (on a CPU) and applies ReLU after pooling, where it has a quarter of the elements;
`torch.optim.SGD` is the fused one.
"""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d, relu

MEAN, STD = 0.2860, 0.3530


class LeNet5(nn.Module):
    """Images ``(B, 28, 28)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        # With one channel, both layouts are the same memory: only the strides say which it is.
        x = x.unsqueeze(1) if x.is_cuda else x.unsqueeze(-1).permute(0, 3, 1, 2)
        x = relu(max_pool2d(self.conv1(x), 2))
        x = relu(max_pool2d(self.conv2(x), 2))
        x = relu(self.fc1(x.flatten(1)))
        out: Tensor = self.fc3(relu(self.fc2(x)))
        return out


class RowRNN(nn.Module):
    """Images ``(B, 28, 28)``, read row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(28, 256, 3, nonlinearity="tanh", batch_first=True)
        self.fc = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x)
        out: Tensor = self.fc(states[:, -1])
        return out


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        *[nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)],
    )


NETWORKS = {"lenet5": LeNet5, "mlp": mlp, "rnn": RowRNN}


def normalised(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images).float().div_(255).sub_(MEAN).div_(STD)


def train(
    network: str, images: Tensor, labels: Tensor, batch_size: int, steps: int, runs: int = 1
) -> float:
    """Train so many runs for so many steps each; return the seconds of all together.

    Args:
        network: A key of `NETWORKS`.
        images: ``(N, 28, 28)``, normalised.
        labels: ``(N,)`` int64.
        batch_size: Examples a step; the last batch of an epoch may be smaller.
        steps: Steps of each run.
        runs: How many.
    """
    # The first optimizer of a process imports for a second or more; that is not training.
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    start = time.perf_counter()
    for seed in range(runs):
        torch.manual_seed(seed)
        model = NETWORKS[network]().to(images.device)
        train_network(model, images, labels, batch_size, steps)
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def train_network(
    model: nn.Module, images: Tensor, labels: Tensor, batch_size: int, steps: int
) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    done = 0
    while done < steps:
        order = torch.randperm(len(images)).to(images.device)
        for index in order.split(batch_size)[: steps - done]:
            optimizer.zero_grad()
            cross_entropy(model(images[index]), labels[index]).backward()
            optimizer.step()
            done += 1
