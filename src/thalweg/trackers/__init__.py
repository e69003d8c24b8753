"""Runs of a study as those of experiment trackers, while they train or afterwards."""

from thalweg.trackers.after import export_to_tracker
from thalweg.trackers.destination import KINDS, Destination
from thalweg.trackers.live import Tracking, TrackingWarning

__all__ = ["KINDS", "Destination", "Tracking", "TrackingWarning", "export_to_tracker"]
