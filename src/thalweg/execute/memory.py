"""Memory that does not suffice: how it is told from other failures, and freed again."""

import gc

import torch

_MESSAGES = (
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
)
"""What PyTorch, the libraries under it and the compiled kernels say in errors of no kind of
their own."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or one that it came from, is that memory could not be had.

    A user's optimizer that runs out of it is reported by an error of ours, and PyTorch's capture of
    a CUDA graph ends with another one than it was cut off by.
    """
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, MemoryError | torch.OutOfMemoryError):
            return True
        if any(message in str(link) for message in _MESSAGES):
            return True
        link = link.__cause__ or link.__context__
    return False


def release_memory() -> None:
    """Give back what a training held that nobody refers to any more."""
    gc.collect()  # networks and their hooks refer to each other in circles
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
