"""The pages of a study, in the order in which they are offered."""

from thalweg.ui.content import View
from thalweg.ui.views import charts, compare, confusion, curves, learning_rates

VIEWS: tuple[View, ...] = (
    curves.VIEW,
    learning_rates.VIEW,
    compare.VIEW,
    confusion.VIEW,
    charts.VIEW,
)
