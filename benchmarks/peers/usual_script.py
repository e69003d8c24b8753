"""The peer: LeNet-5 trained as the usual script does it, for seconds an epoch.

Its data path is torchvision's (`datasets.MNIST`, `transforms.functional.to_tensor` and
`normalize`), the same operations written out so that torchvision need not be installed: every
example becomes a PIL image, is copied into a float tensor (ToTensor) and normalised (Normalize)
each time it is asked for. The thread count is PyTorch's default, as in the usual script.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d, relu
from torch.utils.data import DataLoader, Dataset

MEAN, STD = (0.2860,), (0.3530,)


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """``torchvision.datasets.MNIST`` with ``Compose([ToTensor(), Normalize(MEAN, STD)])``."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        self.data = torch.from_numpy(images)
        self.targets = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.data[index].numpy())
        return normalize(to_tensor(image)), int(self.targets[index])


def to_tensor(image: Image.Image) -> Tensor:
    """Convert H×W×C in [0, 255] to C×H×W in [0, 1]."""
    pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
    pixels = pixels.view(image.size[1], image.size[0], len(image.getbands()))
    return pixels.permute((2, 0, 1)).contiguous().to(torch.get_default_dtype()).div(255)


def normalize(tensor: Tensor) -> Tensor:
    tensor = tensor.clone()
    mean = torch.as_tensor(MEAN, dtype=tensor.dtype)
    std = torch.as_tensor(STD, dtype=tensor.dtype)
    if (std == 0).any():
        raise ValueError("std is zero")
    return tensor.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = max_pool2d(relu(self.conv1(x)), 2)
        x = max_pool2d(relu(self.conv2(x)), 2)
        x = relu(self.fc1(x.flatten(1)))
        out: Tensor = self.fc3(relu(self.fc2(x)))
        return out


def train_epochs(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], epochs: int, seed: int
) -> float:
    """Train for ``epochs`` on images ``(N, 28, 28)`` and labels ``(N,)``; return the seconds."""
    torch.manual_seed(seed)
    loader = DataLoader(ImageDataset(images, labels), batch_size=64, shuffle=True, num_workers=0)
    model = LeNet5()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    start = time.perf_counter()
    for epoch in range(epochs):
        running_loss = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"epoch {epoch + 1}: mean training loss {running_loss / len(loader):.4f}")
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arrays", type=Path, help=".npz with 'images' and 'labels', both uint8")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arrays = np.load(arguments.arrays)
    seconds = train_epochs(arrays["images"], arrays["labels"], arguments.epochs, arguments.seed)
    print(f"{seconds / arguments.epochs:.2f} s an epoch")
