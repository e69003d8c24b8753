"""The engine without the package's face.

``import thalweg`` brings in all that studies and reports need. Where only the engine is wanted (a
GPU machine with PyTorch and little else), importing this module first puts an empty package in its
place, so that `thalweg.cohort`, `thalweg.optim.plain.sgd`, `thalweg.models` and `thalweg.data` need
no more than torch, numpy, pydantic and pooch, and no installation.
"""

import sys
from pathlib import Path
from types import ModuleType

SOURCE = Path(__file__).parents[1] / "src" / "thalweg"

if "thalweg" not in sys.modules:
    sys.modules["thalweg"] = ModuleType("thalweg")
    sys.modules["thalweg"].__path__ = [str(SOURCE)]
