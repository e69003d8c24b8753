"""Tasks that need no download: scikit-learn's digits, and a noisy sine."""

import torch
from pydantic import Field
from torch.nn.functional import interpolate

from thalweg.data.splits import Split
from thalweg.data.task import Task, carve_validation
from thalweg.randomness import generator
from thalweg.validation import Options

DIGITS_MEAN, DIGITS_STD = 0.3053, 0.3760
DIGITS_TEST = 360


class DigitsOptions(Options):
    """``size``: side of the images, 8 as published or larger (bilinear)."""

    size: int = Field(default=8, ge=8, le=64)
    validation: int = Field(default=287, ge=0)


def digits(options: DigitsOptions) -> Task:
    """UCI optical digits as scikit-learn ships them: 1,797 images of 8×8, 10 classes.

    There is no published split, so a fixed seed sets 360 examples (20 %) aside for the test.
    """
    from sklearn.datasets import load_digits  # takes over a second to import; few commands need it

    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float().unsqueeze(1) * (255 / 16)
    if options.size != 8:
        images = interpolate(images, size=(options.size,) * 2, mode="bilinear", align_corners=False)
    stored = Split(
        images.round().to(torch.uint8),
        torch.from_numpy(bunch.target).long(),
        mean=DIGITS_MEAN,
        std=DIGITS_STD,
    )
    order = torch.randperm(len(stored), generator=generator(0, "digits"))
    train, validation = carve_validation(stored.subset(order[DIGITS_TEST:]), options.validation)
    return Task(
        name="digits",
        loss="cross_entropy",
        outputs=10,
        class_names=tuple("0123456789"),
        train=train,
        validation=validation,
        test=stored.subset(order[:DIGITS_TEST]),
    )


class SineOptions(Options):
    """``points``: size of the grid; ``noise``: standard deviation ε is multiplied by."""

    points: int = Field(default=100, ge=5)
    noise: float = Field(default=0.4, ge=0)
    validation: int = Field(default=0, ge=0)


def sine(options: SineOptions) -> Task:
    """Y = sin(x) + noise·ε, ε ~ N(0, 1), x on a uniform grid over [−5, 5]; 80/20 split.

    Noise and split come from fixed seeds: a run's seed changes the network, never the data.
    """
    n = options.points
    x = torch.linspace(-5, 5, n).unsqueeze(1)
    noise = torch.randn(n, 1, generator=generator(0, "sine", 0))
    whole = Split(x, torch.sin(x) + options.noise * noise)
    order = torch.randperm(n, generator=generator(0, "sine", 1))
    held_out = n // 5
    train, validation = carve_validation(whole.subset(order[held_out:]), options.validation)
    return Task(
        name="sine",
        loss="mse",
        outputs=1,
        class_names=(),
        train=train,
        validation=validation,
        test=whole.subset(order[:held_out]),
    )
