"""How alike the features of layers are, and what each layer's are like."""

from thalweg.measure.similarity.alignment import cka
from thalweg.measure.similarity.layers import layer_features
from thalweg.measure.similarity.spread import class_separation, effective_rank

__all__ = ["cka", "class_separation", "effective_rank", "layer_features"]
