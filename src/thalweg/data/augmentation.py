"""Augmentations: variants of the training images, of which every epoch draws one an example.

The variants are made once and kept as they are stored, uint8, so that drawing one is choosing an
index: no backend needs to know. Memory is the training images' times the number of variants.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import pad

from thalweg.data.splits import Split
from thalweg.errors import InputError
from thalweg.randomness import by_seed
from thalweg.registry import Registry
from thalweg.validation import Options, validate

Variants = Callable[[Tensor, Options], list[Tensor]]
"""From images ``(N, C, H, W)`` to their variants of the same shape, the images themselves first."""


class AugmentationOptions(Options):
    """``probability``: that of an image in an epoch to be one of its variants, of which itself is
    one, drawn uniformly; else it is as it is.
    """

    probability: float = Field(default=1.0, gt=0, le=1)


class ShiftOptions(AugmentationOptions):
    """``pixels`` is the farthest shift along each axis; (2·pixels + 1)² variants."""

    pixels: int = Field(default=1, ge=1, le=2)


def flip(images: Tensor, options: Options) -> list[Tensor]:
    return [images, images.flip(-1)]


def shift(images: Tensor, options: Options) -> list[Tensor]:
    assert isinstance(options, ShiftOptions)
    p, (H, W) = options.pixels, images.shape[-2:]
    padded = pad(images, (p, p, p, p))  # by the stored value 0, the background
    steps = sorted(product(range(-p, p + 1), repeat=2), key=lambda step: step != (0, 0))
    return [padded[..., p + y : p + y + H, p + x : p + x + W] for y, x in steps]


AUGMENTATIONS: Registry[Variants] = Registry("augmentation")
AUGMENTATIONS.add("flip", "mirrored left to right, or not", AugmentationOptions, flip)
AUGMENTATIONS.add("shift", "shifted by a few pixels, zeros moving in", ShiftOptions, shift)


@dataclass(frozen=True)
class Augmented:
    """A training split together with the variants of its examples.

    Attributes:
        split: V·N examples; variant v of example i is number v·N + i.
        examples: N.
        probability: With which a variant is drawn at all.
    """

    split: Split
    examples: int
    probability: float = 1.0

    @property
    def variants(self) -> int:
        """V, the number of variants of an example, itself among them."""
        return len(self.split) // self.examples

    def draw(self, seeds: Sequence[int], epoch: int) -> Tensor:
        """Return what to add to an example's number to get the variant drawn for it.

        A pure function of ``(seed, epoch)``, as the data order is.

        Returns:
            ``(N,)`` if all runs have one seed, else ``(K, N)``; int64.
        """
        shape = (self.examples,)

        def draw(stream: torch.Generator) -> Tensor:
            variants = torch.randint(self.variants, shape, generator=stream)
            return variants * (torch.rand(shape, generator=stream) < self.probability)

        return self.examples * by_seed(seeds, draw, "augmentation", epoch)


def augment(split: Split, name: str, options: Mapping[str, Any]) -> Augmented:
    """Return a training split with the variants that the named augmentation makes.

    Raises:
        InputError: The inputs are no images.
    """
    if split.inputs.ndim != 4:
        raise InputError(
            f"train.augment = {name!r}: must be left out for inputs of shape "
            f"{tuple(split.inputs.shape[1:])}, which are no images"
        )
    entry = AUGMENTATIONS[name]
    assert entry.options is not None
    checked = validate(entry.options, options, "train.augment")
    assert isinstance(checked, AugmentationOptions)
    variants = entry.target(split.inputs, checked)
    inputs = torch.cat(variants)
    targets = split.targets.repeat(len(variants), *[1] * (split.targets.ndim - 1))
    whole = replace(split, inputs=inputs, targets=targets)
    return Augmented(whole, len(split), checked.probability)
