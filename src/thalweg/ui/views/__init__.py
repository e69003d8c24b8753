"""The pages of a study, in the order in which they are offered."""

from thalweg.ui.content import View

VIEWS: tuple[View, ...] = ()
