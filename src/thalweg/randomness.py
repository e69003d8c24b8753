"""Named random streams, each derived from the root seed by hashing.

No stream depends on how much another one has drawn, and none touches PyTorch's global generator.
A stream is therefore a pure function of its address ``(seed, name, index...)``: a resumed run
needs no saved generator state, and arms that share a seed share initialisation and data order
(common random numbers).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


def derive(seed: int, name: str, *index: int) -> int:
    """Return the 63-bit seed of the stream at ``(seed, name, *index)``.

    The first eight bytes of SHA-256 of the address, with the top bit cleared because
    ``torch.Generator.manual_seed`` and NumPy both take a non-negative signed 64-bit integer.
    """
    address = "/".join(["thalweg", str(seed), name, *map(str, index)])
    digest = hashlib.sha256(address.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, name: str, *index: int) -> torch.Generator:
    """Return a fresh CPU generator positioned at the start of the named stream."""
    return torch.Generator().manual_seed(derive(seed, name, *index))


def by_seed(
    seeds: Sequence[int], draw: Callable[[torch.Generator], Tensor], name: str, *index: int
) -> Tensor:
    """Return what each seed draws from its stream ``(seed, name, *index)``.

    Returns:
        The draw itself if all seeds are one, else the draws stacked, a row a seed.
    """
    drawn = {seed: draw(generator(seed, name, *index)) for seed in set(seeds)}
    if len(drawn) == 1:
        return drawn[seeds[0]]
    return torch.stack([drawn[seed] for seed in seeds])


@contextmanager
def global_stream(seed: int, name: str, *index: int) -> Iterator[None]:
    """Run a block whose code draws from PyTorch's global generators (a module's constructor,
    dropout) on the named stream, and put those generators back as they were afterwards.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        # torch.manual_seed would also record where it was called from, for a CUDA to come.
        for each in (torch.default_generator, *(torch.cuda.default_generators[i] for i in devices)):
            each.manual_seed(derive(seed, name, *index))
        yield
