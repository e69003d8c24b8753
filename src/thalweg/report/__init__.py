"""From a study's results to figures, tables and one page."""
