"""A network as an ONNX model."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from torch import nn

from thalweg.errors import InputError, ThalwegError
from thalweg.validation import brief


def require_onnx() -> None:
    """Check that the packages of the extra ``onnx`` are installed.

    Raises:
        InputError: One is missing.
    """
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise InputError(
                f"export: needs the package {package!r}; install it with "
                "pip install 'thalweg[onnx]'"
            )


def onnx_model(module: nn.Module, shape: tuple[int, ...]) -> bytes:
    """Return a network as an ONNX model, ``input`` ``(batch, *shape)`` to ``output``.

    The number of examples is free; recurrent layers are unrolled over the steps of ``shape``.

    Args:
        module: In evaluation mode.
        shape: Shape of one input.

    Raises:
        ThalwegError: PyTorch cannot export it.
    """
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (torch.zeros(2, *shape),),
                input_names=["input"],
                output_names=["output"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever a user's forward pass meets in tracing
        raise ThalwegError(f"PyTorch cannot export the network to ONNX: {brief(error)}") from error
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own warnings from the user, who can do nothing about them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
