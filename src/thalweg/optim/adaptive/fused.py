"""Adam's update in one pass, by PyTorch's fused kernels for the CPU."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.rule import Value


def fused_adam_(
    w: Tensor,
    g: Tensor,
    state: Mapping[str, Tensor],
    h: Any,
    t: Value,
    weight_decay: Value,
    decoupled: bool,
) -> bool:
    """Update ``w`` and ``state`` as `adam_step_` of `thalweg.optim.adaptive.adam`, if it can.

    Every row is a tensor of its own to the kernel, whose last few entries it computes otherwise
    than the rest: a row is thus the same to the bit in any company.

    Returns:
        Whether it was done: not on another device, of another type or scattered in memory.
    """
    names = ("m", "v", "v_max") if "v_max" in state else ("m", "v")
    tensors = (w, g, *(state[name] for name in names))
    if isinstance(t, Tensor) or w.is_cuda or w.dtype not in (torch.float32, torch.float64):
        return False
    if not all(tensor.is_contiguous() for tensor in tensors):
        return False
    update = torch._fused_adamw_ if decoupled else torch._fused_adam_
    step = torch.tensor(t)
    rows = [list(tensor.unbind()) for tensor in tensors]
    values = (h.lr, weight_decay, h.eps)
    shared = not any(isinstance(value, Tensor) for value in values)
    for part in [slice(None)] if shared else [slice(k, k + 1) for k in range(len(w))]:
        lr, decay, eps = (v[part].item() if isinstance(v, Tensor) else v for v in values)
        weights, gradients, m, v, *largest = (tensor[part] for tensor in rows)
        update(
            *(weights, gradients, m, v, *(largest or [[]]), [step] * len(weights)),
            lr=lr,
            beta1=h.beta1,
            beta2=h.beta2,
            weight_decay=decay,
            eps=eps,
            amsgrad=bool(largest),
            maximize=False,
        )
    return True
