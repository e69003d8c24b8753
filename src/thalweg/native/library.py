"""The compiled library, called through its plain C interface.

``ctypes`` releases the interpreter's lock for the time of a call.
"""

import ctypes
import os
from collections.abc import Callable
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_int, c_int64, c_void_p
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.native.chain import Chain

LOSSES = ("cross_entropy", "mse")
PRECISIONS = {torch.float32: "f32", torch.float64: "f64"}
MESSAGE_LENGTH = 256


class _Samples(Structure):
    _fields_ = (
        ("inputs", c_void_p),
        ("count", c_int64),
        ("is_uint8", c_int64),
        ("scale", c_double),
        ("offset", c_double),
        ("targets", c_void_p),
    )


class _Call(Structure):
    _fields_ = (
        ("weights", c_void_p),
        ("direction", c_void_p),
        ("result", c_void_p),
        ("rows", c_int64),
        ("stride", c_int64),
        ("result_stride", c_int64),
        ("samples", _Samples),
        ("index", c_void_p),
        ("index_stride", c_int64),
        ("batch", c_int64),
        ("shares", c_void_p),
        ("losses", c_void_p),
        ("threads", c_int),
    )


@cache
def _library() -> ctypes.CDLL | None:
    """Return the loaded library; None where it was not built."""
    path = os.environ.get("THALWEG_KERNELS")  # a sanitized build, say
    if path is None:
        found = find_spec("thalweg.native._kernels")
        path = found.origin if found is not None else None
    if path is None:
        return None
    library = ctypes.CDLL(path)
    library.thalweg_variants.argtypes = [c_char_p, c_int64]
    library.thalweg_variants.restype = None
    library.thalweg_network.argtypes = [
        POINTER(c_int64), c_int64, c_int64, c_int64, c_double, c_char_p, c_char_p, c_int64,
    ]  # fmt: skip
    library.thalweg_network.restype = c_void_p
    library.thalweg_release.argtypes = [c_void_p]
    library.thalweg_release.restype = None
    library.thalweg_variant.argtypes = [c_void_p]
    library.thalweg_variant.restype = c_char_p
    return library


def available() -> bool:
    """Return whether the compiled library was built with this installation."""
    return _library() is not None


def variants() -> list[str]:
    """Return the instruction sets this processor can run, best first; [] without the library."""
    library = _library()
    if library is None:
        return []
    names = ctypes.create_string_buffer(MESSAGE_LENGTH)
    library.thalweg_variants(names, MESSAGE_LENGTH)
    return names.value.decode().split()


class Kernel:
    """A chain of layers, ready to run.

    Args:
        chain: The layers.
        loss: "cross_entropy" or "mse".
        label_smoothing: s; the target is (1 − s)·onehot + s/C.
        variant: An instruction set of `variants`; "" for the best.

    Raises:
        ValueError: The library refuses the description.
    """

    def __init__(
        self, chain: Chain, loss: str, label_smoothing: float = 0.0, variant: str = ""
    ) -> None:
        library = _library()
        if library is None:
            raise ValueError("the compiled kernels were not built")
        self._library = library
        self._outputs = chain.outputs
        self._parameters = chain.parameters
        encoded = np.array([layer.encoded() for layer in chain.layers], dtype=np.int64)
        message = ctypes.create_string_buffer(MESSAGE_LENGTH)
        self._handle = library.thalweg_network(
            encoded.ctypes.data_as(POINTER(c_int64)),
            len(chain.layers),
            chain.parameters,
            LOSSES.index(loss),
            label_smoothing,
            variant.encode(),
            message,
            MESSAGE_LENGTH,
        )
        if not self._handle:
            raise ValueError(message.value.decode())
        self._loss = loss

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.thalweg_release(self._handle)

    @property
    def variant(self) -> str:
        """The instruction set in use."""
        name: bytes = self._library.thalweg_variant(self._handle)
        return name.decode()

    def gradient(
        self,
        W: Tensor,
        samples: "SampleTensors",
        index: Tensor,
        out: Tensor,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Write each row's gradient into ``out`` and return the losses ``(K,)``, float64.

        Args:
            W: ``(K, D)``, rows contiguous.
            samples: Inputs and targets.
            index: Sample numbers, ``(B,)`` for all rows or ``(K, B)``.
            out: ``(K, D)``.
            weights: Each sample's weight in the loss, ``(B,)``; 1/B by default.
        """
        return self._run("gradient", W, samples, index, out, weights=weights)

    def product(
        self, W: Tensor, V: Tensor, samples: "SampleTensors", index: Tensor, out: Tensor
    ) -> Tensor:
        """Write each row's Hessian times its direction ``V[k]`` into ``out``; return the losses."""
        return self._run("product", W, samples, index, out, direction=V)

    def outputs(self, W: Tensor, samples: "SampleTensors", index: Tensor) -> Tensor:
        """Return the networks' outputs, ``(K, B, outputs)``."""
        out = W.new_empty(W.shape[0], index.shape[-1], self._outputs)
        self._run("outputs", W, samples, index, out)
        return out

    def _run(
        self,
        function: str,
        W: Tensor,
        samples: "SampleTensors",
        index: Tensor,
        out: Tensor,
        direction: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        rows, batch = W.shape[0], index.shape[-1]
        if W.shape[1] != self._parameters or W.stride(1) != 1:
            raise ValueError(f"W must be (K, {self._parameters}) with contiguous rows")
        if index.dtype != torch.int64 or index.stride(-1) != 1:
            index = index.to(torch.int64).contiguous()
        if index.ndim == 2 and index.shape[0] != rows:
            raise ValueError(f"index must be (B,) or ({rows}, B), not {tuple(index.shape)}")
        if direction is not None and (
            direction.shape != W.shape or direction.stride() != W.stride()
        ):
            raise ValueError("a direction must have the shape and strides of W")
        losses = torch.zeros(rows, dtype=torch.float64)
        if batch == 0:
            raise ValueError("a batch must hold at least one sample")
        call = _Call(
            W.data_ptr(),
            0 if direction is None else direction.data_ptr(),
            out.data_ptr(),
            rows,
            W.stride(0) if rows > 1 else self._parameters,
            out.stride(0) if rows > 1 else self._parameters,
            samples.structure(W.dtype),
            index.data_ptr(),
            index.stride(0) if index.ndim == 2 else 0,
            batch,
            0 if weights is None else weights.data_ptr(),
            losses.data_ptr(),
            torch.get_num_threads(),
        )
        message = ctypes.create_string_buffer(MESSAGE_LENGTH)
        entry: Callable[..., Any] = getattr(
            self._library, f"thalweg_{function}_{PRECISIONS[W.dtype]}"
        )
        if entry(c_void_p(self._handle), byref(call), message, c_int64(MESSAGE_LENGTH)):
            raise ValueError(message.value.decode())
        return losses


class SampleTensors:
    """Inputs and targets in memory, as the library reads them.

    Args:
        inputs: ``(N, *shape)``; uint8, entering as ``u·scale + offset``, or of W's type.
        targets: ``(N,)`` int64 classes, or ``(N, outputs)`` of W's type.
        scale: See ``inputs``.
        offset: See ``inputs``.
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, scale: float = 1.0, offset: float = 0.0
    ) -> None:
        self._inputs = inputs.contiguous()
        self._targets = targets.contiguous()
        self._scale, self._offset = scale, offset

    def structure(self, dtype: torch.dtype) -> _Samples:
        if self._inputs.dtype not in (torch.uint8, dtype):
            self._inputs = self._inputs.to(dtype)
        if self._targets.is_floating_point() and self._targets.dtype != dtype:
            self._targets = self._targets.to(dtype)
        return _Samples(
            self._inputs.data_ptr(),
            len(self._inputs),
            int(self._inputs.dtype == torch.uint8),
            self._scale,
            self._offset,
            self._targets.data_ptr(),
        )
