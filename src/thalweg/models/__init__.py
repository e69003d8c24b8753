"""Networks by name, and named initialisations."""

from thalweg.models.init import INITS, InitOptions, parse_init
from thalweg.models.registry import MODELS, ModelBuilder, build_model

__all__ = ["INITS", "MODELS", "InitOptions", "ModelBuilder", "build_model", "parse_init"]
