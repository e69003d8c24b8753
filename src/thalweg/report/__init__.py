"""From a study's results to figures, tables and one page."""

from thalweg.report.write import write_recovery, write_report

__all__ = ["write_recovery", "write_report"]
