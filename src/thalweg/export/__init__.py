"""Trained networks as files for other programs: PyTorch, safetensors, ONNX."""

from thalweg.export.write import Exported, export_run

__all__ = ["Exported", "export_run"]
