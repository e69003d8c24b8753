"""Tasks that need no download: scikit-learn's digits, and a noisy sine."""

from dataclasses import replace
from typing import Self

import torch
from pydantic import Field, model_validator
from torch.nn.functional import interpolate

from thalweg.data.splits import Split
from thalweg.data.task import Task, carve_validation
from thalweg.randomness import generator
from thalweg.validation import Options

DIGITS_MEAN, DIGITS_STD = 0.3053, 0.3760
DIGITS_TEST = 360


class DigitsOptions(Options):
    """``size``: side of the images, 8 as published or larger (bilinear); ``validation``: training
    examples set aside for every selection, 0 for none.
    """

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
    """The noisy sine.

    Attributes:
        points: How many, 80 % for training.
        noise: Standard deviation ε is multiplied by.
        validation: Training points set aside for selection.
        grid: Points of a noise-free test split; the held-out noisy points are the validation split
            then. None: they are the test split.
    """

    points: int = Field(default=100, ge=5)
    noise: float = Field(default=0.4, ge=0)
    validation: int = Field(default=0, ge=0)
    grid: int | None = Field(default=None, ge=2)

    @model_validator(mode="after")
    def _one_validation_split(self) -> Self:
        if self.grid is not None and self.validation > 0:
            raise ValueError(
                f"validation = {self.validation}: must be left out where grid is given, as the "
                "held-out noisy points are the validation split then"
            )
        return self


def sine(options: SineOptions) -> Task:
    """Y = sin(x) + noise·ε, ε ~ N(0, 1), x on a uniform grid over [−5, 5]; 80/20 split.

    With ``grid`` the test loss is the mean squared distance to sin(x) itself on a uniform grid of
    so many points over the same interval.

    Noise and split come from fixed seeds: a run's seed changes the network, never the data.
    """
    whole = _points(options.points)
    noise = torch.randn(options.points, 1, generator=generator(0, "sine", 0))
    whole = replace(whole, targets=whole.targets + options.noise * noise)
    order = torch.randperm(options.points, generator=generator(0, "sine", 1))
    held_out = whole.subset(order[: options.points // 5])
    train, validation = carve_validation(
        whole.subset(order[options.points // 5 :]), options.validation
    )
    return Task(
        name="sine",
        loss="mse",
        outputs=1,
        class_names=(),
        train=train,
        validation=validation if options.grid is None else held_out,
        test=held_out if options.grid is None else _points(options.grid),
    )


def _points(number: int) -> Split:
    """Return sin(x) at so many points of [−5, 5]."""
    x = torch.linspace(-5, 5, number).unsqueeze(1)
    return Split(x, torch.sin(x))
