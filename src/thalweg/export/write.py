"""Write a run's network to a folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.export.comparison import compare
from thalweg.export.files import safetensors_bytes, state_bytes
from thalweg.export.onnx import onnx_model, require_onnx
from thalweg.export.trained import load_trained
from thalweg.sparsity.connectivity import shrink
from thalweg.store import RunDirectory
from thalweg.store.files import make_writable, write_whole


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: In order.
        comparison: Of the masked network with the smaller one; None if it was not asked for.
    """

    files: tuple[Path, ...]
    comparison: dict[str, Any] | None


def export_run(
    run: RunDirectory, folder: Path, sparse: bool = False, data: Path | None = None
) -> Exported:
    """Write a run's network as ``weights.pt``, ``weights.safetensors`` and ``model.onnx``.

    Args:
        run: A run that is done.
        folder: Made where it does not exist; files of these names in it are replaced.
        sparse: Also write the network without the units its zeros make useless:
            ``smaller.pt``, its layers' sizes in ``smaller.json``, ``smaller.onnx``, and how the
            two compare in ``report.json``.
        data: Folder searched first for downloadable data sets.

    Raises:
        InputError: The run or the folder cannot be used, a package is missing, or the network is
            no chain of layers that can be made smaller.
        ThalwegError: The network cannot be exported, or a file cannot be written.
    """
    require_onnx()
    trained = load_trained(run, data)
    shape = trained.task.shape
    try:
        smaller = shrink(trained.module, shape) if sparse else None
    except InputError as reason:
        raise InputError(f"--sparse: {reason}") from None
    make_writable(folder)
    contents: dict[str, bytes | str] = {
        "weights.pt": state_bytes(trained.module),
        "weights.safetensors": safetensors_bytes(trained.module),
        "model.onnx": onnx_model(trained.module, shape),
    }
    comparison = None
    if smaller is not None:
        comparison = {"run": run.id, **compare(trained, smaller)}
        contents |= {
            "smaller.pt": state_bytes(smaller),
            "smaller.json": _json({"input": list(shape), "layers": smaller.sizes}),
            "smaller.onnx": onnx_model(smaller, shape),
            "report.json": _json(comparison),
        }
    for name, content in contents.items():
        write_whole(folder / name, content)
    return Exported(tuple(folder / name for name in contents), comparison)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
