"""Examples of any kind, known by their numbers.

To all that measures, an example is its number: an input is an int64 tensor ``(B,)``, and what it
stands for is looked up where the network is called. So a network may take images, a dictionary of
token ids and masks, or anything else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from thalweg.data import Split
from thalweg.errors import InputError
from thalweg.instruments.undisturbed import Call
from thalweg.measure.subject import sample_of

Tree = Any
"""A tensor, or tuples, lists and mappings of such. A tensor as long as the first one has a row an
example; all else is the same for every example."""

Loss = Callable[[Any, Any], Tensor]
"""Outputs of a network and targets → mean loss."""

_STRIDE = 1 << 40
"""Numbers from a set of examples to the next."""


@dataclass(frozen=True)
class Examples:
    """Some examples.

    Attributes:
        inputs: What the network is called with: one argument, or a tuple or list of positional, or
            a mapping of keyword arguments.
        targets: What the loss compares outputs with; None if it needs nothing.
        call: How the network was called with them in training; None where that was not seen.
    """

    inputs: Tree
    targets: Tree = None
    call: Call | None = None

    def __len__(self) -> int:
        found = _length(self.inputs)
        if found is None:
            raise InputError("inputs: must hold a tensor with a row an example, but hold none")
        return found


def examples_of(data: Any, at_most: int, device: torch.device, key: str) -> Examples:
    """Return examples of a set.

    Args:
        data: A tuple ``(inputs, targets)``; a mapping, which holds its targets, if any, itself; or
            what yields such batches. Of a DataLoader the examples are drawn from its data set,
            without replacement; of all else the first batches are taken.
        at_most: About so many are taken of what is not given whole.
        device: Where to put them.
        key: How messages call them.

    Raises:
        InputError: There are none, or the batches do not fit together.
    """
    found: list[Examples] = []
    if isinstance(data, Mapping) or (isinstance(data, tuple) and len(data) == 2):
        found = [_of_batch(data)]
    elif isinstance(data, DataLoader) and _is_map(data):
        every: Any = data.dataset
        drawn = sample_of(len(every), min(at_most, len(every)), 0)
        found = [_of_batch(data.collate_fn([every[i] for i in drawn.tolist()]))]
    elif isinstance(data, Iterable):
        count = 0
        for batch in data:
            found.append(_of_batch(batch))
            count += len(found[-1])
            if count >= at_most:
                break
    if not found:
        raise InputError(
            f"{key} = {type(data).__name__}: must be a tuple (inputs, targets), or yield batches"
        )
    try:
        inputs = _joined([each.inputs for each in found])
        targets = _joined([each.targets for each in found])
    except RuntimeError:
        raise InputError(
            f"{key}: its batches are of different shapes; must be alike, or be given as one tuple "
            "(inputs, targets)"
        ) from None
    return Examples(_moved(inputs, device), _moved(targets, device))


def _is_map(loader: DataLoader[Any]) -> bool:
    """Return whether a loader makes its batches of examples that can be had by number."""
    return not isinstance(loader.dataset, IterableDataset) and loader.batch_sampler is not None


def _of_batch(batch: Any) -> Examples:
    pair = isinstance(batch, tuple | list) and len(batch) == 2
    return Examples(*batch) if pair else Examples(batch)


class Library:
    """Sets of examples, each with a place of its own; copies of a network share it.

    Args:
        loss: Of outputs and targets; None if nothing needs it.

    Attributes:
        at_once: Examples of one pass at most.
    """

    def __init__(self, loss: Loss | None) -> None:
        self._loss = loss
        self._sets: dict[int, Examples] = {}
        self.at_once = 1

    def __deepcopy__(self, memo: Any) -> "Library":
        return self

    def put(self, place: int, examples: Examples, targets: Tensor | None = None) -> Split:
        """Put a set in a place; return the split of its numbers.

        Args:
            place: Whatever was there is dropped.
            examples: The set.
            targets: Of the split; None for the numbers.
        """
        self._sets[place] = examples
        numbers = torch.arange(len(examples)) + place * _STRIDE
        return Split(numbers, numbers if targets is None else targets, dtype=torch.int64)

    def pieces(self, numbers: Tensor) -> list[Tensor]:
        """Return numbers piece by piece, each of one set and of no more than `at_once`."""
        _, counts = torch.unique_consecutive(numbers // _STRIDE, return_counts=True)
        return [
            piece for part in numbers.split(counts.tolist()) for piece in part.split(self.at_once)
        ]

    def call(self, model: nn.Module, numbers: Tensor) -> Any:
        """Return what the network gives for examples of one set."""
        own, index = self._find(numbers)
        inputs = _rows(own.inputs, index, len(own))
        if isinstance(inputs, Mapping):
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, Sequence) else model(inputs)

    def loss(self, outputs: Any, numbers: Tensor) -> Tensor:
        """Return the mean loss over examples of one set."""
        assert self._loss is not None
        own, index = self._find(numbers)
        found = self._loss(outputs, _rows(own.targets, index, len(own)))
        if not isinstance(found, Tensor) or found.ndim != 0:
            raise InputError(
                f"loss: gives {_shown(found)}; must give the mean over the examples, one number"
            )
        return found

    def as_called(self, numbers: Tensor) -> AbstractContextManager[None]:
        """Return the context in which things stand as when the network was called in training."""
        own, _ = self._find(numbers)
        return nullcontext() if own.call is None else own.call.again()

    def _find(self, numbers: Tensor) -> tuple[Examples, Tensor]:
        return self._sets[int(numbers[0]) // _STRIDE], numbers % _STRIDE


class Called(nn.Module):
    """A network that is called with the numbers of examples."""

    def __init__(self, model: nn.Module, library: Library) -> None:
        super().__init__()
        self.model = model
        self.library = library

    def forward(self, numbers: Tensor) -> Any:
        return self.library.call(self.model, numbers)


def _length(tree: Tree) -> int | None:
    if isinstance(tree, Tensor):
        return len(tree) if tree.ndim else None
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, tuple | list):
        return next((n for n in map(_length, tree) if n is not None), None)
    return None


def _rows(tree: Tree, index: Tensor, length: int) -> Tree:
    """Return the rows of examples, copied, so that a network that works in place does no harm."""
    if isinstance(tree, Tensor):
        tree = tree.detach()
        return tree[index] if tree.ndim and len(tree) == length else tree.clone()
    if isinstance(tree, Mapping):
        return {key: _rows(each, index, length) for key, each in tree.items()}
    if isinstance(tree, tuple | list):
        return [_rows(each, index, length) for each in tree]
    return tree


def _joined(trees: Sequence[Tree]) -> Tree:
    first = trees[0]
    if isinstance(first, Tensor) and first.ndim:
        return torch.cat(list(trees))
    if isinstance(first, Mapping):
        return {key: _joined([each[key] for each in trees]) for key in first}
    if isinstance(first, tuple | list):
        return [_joined(parts) for parts in zip(*trees, strict=True)]
    return first


def _moved(tree: Tree, device: torch.device) -> Tree:
    if isinstance(tree, Tensor):
        return tree.to(device)
    if isinstance(tree, Mapping):
        return {key: _moved(each, device) for key, each in tree.items()}
    if isinstance(tree, tuple | list):
        return [_moved(each, device) for each in tree]
    return tree


def _shown(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else kind
