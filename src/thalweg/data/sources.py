"""The data sets that can be found or downloaded: their files, hashes, mirrors and constants."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from thalweg.data import idx
from thalweg.errors import InputError
from thalweg.validation import unknown

BUILT_IN = {
    "digits": "1,797 images of 8×8, 10 classes; ships inside scikit-learn",
    "sine": "y = sin(x) + noise on 100 points; generated",
}


@dataclass(frozen=True)
class SourceFile:
    """One file of a data set.

    Attributes:
        name: Name of the raw file; distributions add ``.gz``.
        role: "train_images", "train_labels", "test_images" or "test_labels".
        sha256: Of the decompressed bytes, because copies differ in their gzip wrapper.
        shape: Of the array, ``(N, height, width)`` or ``(N,)``; uint8.
    """

    name: str
    role: str
    sha256: str
    shape: tuple[int, ...]

    @property
    def spellings(self) -> list[str]:
        """The names this file goes by, in the order they are looked for.

        ``.gz`` comes first because that is what `fetch` writes: a fresh download then replaces
        whatever else lies beside it. The dot is how the original MNIST page spelt the names.
        """
        dotted = self.name.replace("-idx", ".idx")
        return [f"{self.name}.gz", self.name, f"{dotted}.gz", dotted]

    def read(self, path: Path) -> NDArray[Any]:
        """Read the file once, verify its hash and decode it.

        Raises:
            ContentError: It is a sound IDX file, but not this one.
            InputError: It cannot be read, or is no IDX file.
        """
        raw = idx.read_raw(path)
        found = hashlib.sha256(raw).hexdigest()
        if found != self.sha256:
            raise ContentError(path, self, found)
        return idx.decode_idx(raw, str(path))


class ContentError(InputError):
    """A sound IDX file whose hash is not the one expected; ``found`` is its SHA-256."""

    def __init__(self, path: Path, file: SourceFile, found: str) -> None:
        self.found = found
        super().__init__(
            f"{path}: SHA-256 of the decompressed bytes is {found[:12]}… "
            f"but {file.name} has {file.sha256[:12]}…"
        )


@dataclass(frozen=True)
class Source:
    """One data set.

    Attributes:
        name: The name a study uses.
        title: What people call it.
        mirrors: Folder URLs, each ending in "/", that hold the files as ``NAME.gz``.
        torchvision: Folder that torchvision keeps the set in, below its root.
        package: Debian's package of the set, or None.
        mean: Mean of the training pixels, in [0, 1] units.
        std: Standard deviation of the training pixels, the same units.
        class_names: One a class, in label order.
        files: The four files.
    """

    name: str
    title: str
    mirrors: tuple[str, ...]
    torchvision: str
    package: str | None
    mean: float
    std: float
    class_names: tuple[str, ...]
    files: tuple[SourceFile, ...]

    @property
    def summary(self) -> str:
        shape = {file.role: file.shape for file in self.files}
        train, test = shape["train_images"], shape["test_images"]
        return (
            f"{train[0]:,} + {test[0]:,} images of {'×'.join(map(str, train[1:]))}, "
            f"{len(self.class_names)} classes"
        )


def _files(
    train_images: str, train_labels: str, t10k_images: str, t10k_labels: str
) -> tuple[SourceFile, ...]:
    """The four files of a set in MNIST's form, from their hashes."""
    return (
        SourceFile("train-images-idx3-ubyte", "train_images", train_images, (60_000, 28, 28)),
        SourceFile("train-labels-idx1-ubyte", "train_labels", train_labels, (60_000,)),
        SourceFile("t10k-images-idx3-ubyte", "test_images", t10k_images, (10_000, 28, 28)),
        SourceFile("t10k-labels-idx1-ubyte", "test_labels", t10k_labels, (10_000,)),
    )


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="mnist",
            title="MNIST",
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            torchvision="MNIST/raw",
            package=None,
            mean=0.1307,
            std=0.3081,
            class_names=tuple("0123456789"),
            files=_files(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        Source(
            name="fashion-mnist",
            title="Fashion-MNIST",
            mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
            torchvision="FashionMNIST/raw",
            package="dataset-fashion-mnist",
            mean=0.2860,
            std=0.3530,
            class_names=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            files=_files(
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
    )
}


def find(name: str) -> Source:
    """Return a downloadable set by name.

    Raises:
        InputError: The name is unknown, or belongs to a set that is built in.
    """
    if name in BUILT_IN:
        raise InputError(f"data set {name!r} is built in: it has no files")
    if name not in SOURCES:
        raise InputError(unknown("data set", name, SOURCES))
    return SOURCES[name]


def owner(sha256: str) -> Source | None:
    """Return the set that has a file with this hash of its decompressed bytes."""
    return next((s for s in SOURCES.values() if sha256 in (f.sha256 for f in s.files)), None)
