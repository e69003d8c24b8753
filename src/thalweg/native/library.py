"""The compiled library, called through its plain C interface.

``ctypes`` releases the interpreter's lock for the time of a call.
"""

import ctypes
import math
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
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, not {loss!r}")
        self._library = library
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
        self._outputs = chain.outputs
        self._inputs = math.prod(chain.layers[0].input)

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
        out = W.new_empty(W.shape[0], *index.shape[-1:], self._outputs)
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
        if index.dtype != torch.int64 or (index.ndim > 0 and index.stride(-1) != 1):
            index = index.to(torch.int64).contiguous()
        self._check(W, samples, index, direction, weights)
        rows, batch = W.shape[0], index.shape[-1]
        shape = (rows, batch, self._outputs) if function == "outputs" else W.shape
        apart = rows < 2 or out.stride(0) >= self._parameters or function == "outputs"
        if out.dtype != W.dtype or out.shape != shape or out.stride(-1) != 1 or not apart:
            raise ValueError(f"the result must be {tuple(shape)} of W's type, rows contiguous")
        losses = torch.zeros(rows, dtype=torch.float64)
        call = _Call(
            W.data_ptr(),
            0 if direction is None else direction.data_ptr(),
            out.data_ptr(),
            rows,
            W.stride(0) if rows > 1 else self._parameters,
            out.stride(0) if rows > 1 else self._parameters,
            samples.structure(W.dtype, self._inputs, self._targets),
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

    @property
    def _targets(self) -> int | None:
        """Values of a real target, or None where it is a class."""
        return self._outputs if self._loss == "mse" else None

    def _check(
        self,
        W: Tensor,
        samples: "SampleTensors",
        index: Tensor,
        direction: Tensor | None,
        weights: Tensor | None,
    ) -> None:
        """Raise ValueError for what the library could not notice, seeing addresses alone."""
        if W.dtype not in PRECISIONS or W.device.type != "cpu":
            raise ValueError("W must be float32 or float64, on the CPU")
        if W.ndim != 2 or W.shape[1] != self._parameters or W.stride(1) != 1:
            raise ValueError(f"W must be (K, {self._parameters}) with contiguous rows")
        rows = W.shape[0]
        if index.ndim not in (1, 2) or (index.ndim == 2 and index.shape[0] != rows):
            raise ValueError(f"index must be (B,) or ({rows}, B), not {tuple(index.shape)}")
        if index.shape[-1] == 0:
            raise ValueError("a batch must hold at least one sample")
        if direction is not None and (
            direction.shape != W.shape
            or direction.dtype != W.dtype
            or direction.stride(1) != 1
            or (rows > 1 and direction.stride(0) != W.stride(0))
        ):
            raise ValueError("a direction must have the type, shape and strides of W")
        if weights is not None and (
            weights.shape != index.shape[-1:]
            or weights.dtype != W.dtype
            or not weights.is_contiguous()
        ):
            raise ValueError(f"weights must be ({index.shape[-1]},) of W's type, contiguous")


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
        if len(inputs) != len(targets):
            raise ValueError(f"{len(inputs)} inputs but {len(targets)} targets")
        self._inputs = inputs.contiguous()
        self._targets = targets.contiguous()
        self._scale, self._offset = scale, offset
        # By W's type; kept, since a call that runs meanwhile may read them.
        self._converted: dict[torch.dtype, tuple[Tensor, Tensor]] = {}

    def structure(self, dtype: torch.dtype, inputs: int, outputs: int | None) -> _Samples:
        """Return the samples as the library reads them.

        Args:
            dtype: W's type.
            inputs: Values of one input.
            outputs: Values of one real target; None for classes.

        Raises:
            ValueError: The tensors do not hold that.
        """
        if dtype not in self._converted:
            x, y = self._inputs, self._targets
            converted = (
                x if x.dtype == torch.uint8 else x.to(dtype),
                y.to(dtype) if y.is_floating_point() else y,
            )
            self._converted.setdefault(dtype, converted)  # never replaced: see above
        x, y = self._converted[dtype]
        if x[:1].numel() != inputs * len(x[:1]):
            raise ValueError(f"an input must hold {inputs} values, not {x[:1].numel()}")
        if outputs is None and (y.dtype != torch.int64 or y.ndim != 1):
            raise ValueError("targets must be (N,) int64 classes")
        if outputs is not None and (y.dtype != dtype or y[:1].numel() != outputs * len(y[:1])):
            raise ValueError(f"a target must hold {outputs} real values")
        return _Samples(
            x.data_ptr(),
            len(x),
            int(x.dtype == torch.uint8),
            self._scale,
            self._offset,
            y.data_ptr(),
        )
