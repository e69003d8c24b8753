"""The probe of how alike layers are."""

from pydantic import Field

from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.figures import Figures
from thalweg.measure.similarity.alignment import cka
from thalweg.measure.similarity.layers import (
    COMPARED,
    FEWEST,
    compared_examples,
    layer_features,
)
from thalweg.measure.similarity.spread import class_separation, effective_rank
from thalweg.validation import Options


class SimilarityOptions(Options):
    """``compared``: examples on which the layers are compared, evenly spread over those there are;
    all where there are fewer.
    """

    compared: int = Field(default=COMPARED, ge=FEWEST)


def measure_similarity(matrix: CurvatureMatrix, options: SimilarityOptions) -> list[Figures]:
    """Return how the features of each layer are spread, and how alike the layers are.

    Raises:
        InputError: There are fewer than four examples.
    """
    subject = matrix.subject
    _, targets = subject.split.batch(compared_examples(subject, options.compared))
    figures: list[Figures] = []
    for row in range(subject.cohort.rows):
        layers = layer_features(subject, row, options.compared)
        features = [*layers.values()]
        own: Figures = {
            "layer": [*layers],
            "units": [each.shape[1] for each in features],
            "effective_rank": [effective_rank(each) for each in features],
        }
        if subject.task.loss == "cross_entropy":
            own["class_separation"] = [class_separation(each, targets) for each in features]
        figures.append({**own, "cka": cka(features, features).tolist(), "compared": len(targets)})
    return figures
