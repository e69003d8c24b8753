"""The metrics of a study, by their names."""


def is_accuracy(metric: str) -> bool:
    """Return whether a metric is an accuracy: a share, higher is better; else a loss."""
    return metric.endswith("_accuracy")
