"""What a probe tells of a network."""

from typing import Any

Figures = dict[str, Any]
"""Plain values by name; NaN for what is undefined."""
