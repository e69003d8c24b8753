"""The store of results: whole-or-absent files, one directory a run, queried in place."""

from thalweg.store.results import StudyResults
from thalweg.store.run_directory import RunDirectory, common_checkpoint
from thalweg.store.store import Store

__all__ = ["RunDirectory", "Store", "StudyResults", "common_checkpoint"]
