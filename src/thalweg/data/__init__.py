"""Data sets and tasks: files found and verified, splits in memory on the training device."""

from thalweg.data.registry import TASKS, load_task
from thalweg.data.splits import Split
from thalweg.data.task import LossName, Task, carve_validation

__all__ = ["TASKS", "LossName", "Split", "Task", "carve_validation", "load_task"]
