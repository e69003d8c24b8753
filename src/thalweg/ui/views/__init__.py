"""The pages of a study, in the order in which they are offered."""

from thalweg.ui.content import View
from thalweg.ui.views import (
    audit,
    charts,
    compare,
    confusion,
    curves,
    landscape,
    learning_rates,
    masks,
    spectrum,
    weights,
)

VIEWS: tuple[View, ...] = (
    curves.VIEW,
    learning_rates.VIEW,
    compare.VIEW,
    landscape.VIEW,
    spectrum.VIEW,
    weights.VIEW,
    masks.VIEW,
    confusion.VIEW,
    audit.VIEW,
    charts.VIEW,
)
