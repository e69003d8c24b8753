"""Variants of images: what they are, and that each is drawn as often."""

import numpy as np
import pytest
import torch

from thalweg.data.augmentation import AUGMENTATIONS, augment
from thalweg.data.splits import Split
from thalweg.errors import InputError


def images(count: int = 5) -> Split:
    generator = torch.Generator().manual_seed(0)
    stored = torch.randint(1, 256, (count, 1, 6, 4), generator=generator).to(torch.uint8)
    return Split(stored, torch.arange(count), mean=0.3, std=0.2)


def test_flip() -> None:
    split = images()
    found = augment(split, "flip", {})
    assert (found.examples, found.variants, found.split.mean) == (5, 2, 0.3)
    assert torch.equal(found.split.inputs[:5], split.inputs)
    assert np.array_equal(found.split.inputs[5:].numpy(), split.inputs.numpy()[..., ::-1])
    assert found.split.targets.tolist() == [0, 1, 2, 3, 4] * 2


@pytest.mark.parametrize("pixels", [1, 2])
def test_shift(pixels: int) -> None:
    split = images(1)
    found = augment(split, "shift", {"pixels": pixels})
    assert found.variants == (2 * pixels + 1) ** 2
    assert torch.equal(found.split.inputs[:1], split.inputs)
    picture = split.inputs[0, 0].numpy()
    expected = set()
    for down in range(-pixels, pixels + 1):
        for right in range(-pixels, pixels + 1):
            moved = np.zeros_like(picture)
            for y in range(6):
                for x in range(4):
                    if 0 <= y - down < 6 and 0 <= x - right < 4:
                        moved[y, x] = picture[y - down, x - right]
            expected.add(moved.tobytes())
    assert {variant[0].numpy().tobytes() for variant in found.split.inputs} == expected


def test_every_variant_is_drawn_as_often_and_by_seed_and_epoch() -> None:
    found = augment(images(4000), "shift", {})
    drawn = found.draw([3], 0)
    assert drawn.shape == (4000,)
    counts = np.bincount(drawn.numpy() // 4000, minlength=9)
    assert (abs(counts - 4000 / 9) < 5 * np.sqrt(4000 / 9)).all()
    assert torch.equal(drawn, found.draw([3], 0))
    assert not torch.equal(drawn, found.draw([3], 1))
    together = found.draw([3, 4], 0)
    assert torch.equal(together[0], drawn)
    assert torch.equal(together[1], found.draw([4], 0))


def test_with_a_probability_images_are_as_they_are() -> None:
    whole, half = (augment(images(4000), "shift", {"probability": p}) for p in (1.0, 0.5))
    every, some = whole.draw([3], 0), half.draw([3], 0)
    assert torch.equal(every[some > 0], some[some > 0])  # the same variants, fewer of them
    moved = (some > 0).double().mean().item()
    assert moved == pytest.approx(0.5 * 8 / 9, abs=5 * (0.25 / 4000) ** 0.5)
    for p in (0, 1.1):
        with pytest.raises(InputError, match=f"probability = {p}: must be"):
            augment(images(), "flip", {"probability": p})


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(InputError, match=r"train.augment = 'flip': must be left out for inputs"):
        augment(Split(torch.zeros(3, 2), torch.zeros(3, 1)), "flip", {})
    assert AUGMENTATIONS.names() == ["flip", "shift"]
