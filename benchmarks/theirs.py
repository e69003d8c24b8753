"""Fashion-MNIST for the peers, which know nothing of this package."""

import torch

from benchmarks.peers import eager, usual_script
from thalweg.data.locate import load


def usual_epoch(examples: int) -> float:
    """Return the seconds of one epoch of the usual script over so many examples."""
    arrays = load("fashion-mnist")
    images, labels = arrays["train_images"][:examples], arrays["train_labels"][:examples]
    return usual_script.train_epochs(images, labels, 1, seed=0)


def eager_training(
    network: str, examples: int, batch_size: int, steps: int, runs: int, threads: int | None
) -> float:
    """Return the seconds of `benchmarks.peers.eager`; PyTorch's own thread count for None."""
    if threads is not None:
        torch.set_num_threads(threads)
    arrays = load("fashion-mnist")
    images = eager.normalised(arrays["train_images"][:examples])
    labels = torch.from_numpy(arrays["train_labels"][:examples]).long()
    return eager.train(network, images, labels, batch_size, steps, runs)
