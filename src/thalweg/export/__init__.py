"""Trained networks as files for other programs: PyTorch, safetensors, ONNX, rounds of pruning."""

from thalweg.export.rounds import export_rounds
from thalweg.export.write import Exported, export_run

__all__ = ["Exported", "export_rounds", "export_run"]
