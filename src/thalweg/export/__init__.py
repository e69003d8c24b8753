"""Trained networks and studies as files for other programs."""

from thalweg.export.rounds import Lineage, lineages
from thalweg.export.study import export_study
from thalweg.export.write import Exported, export_run

__all__ = ["Exported", "Lineage", "export_run", "export_study", "lineages"]
