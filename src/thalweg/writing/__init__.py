"""Help for those who write a study: its keys explained, a JSON Schema, a study to begin with."""

from thalweg.writing.explain import Explanation, explain, explained
from thalweg.writing.schema import study_schema
from thalweg.writing.template import Answers, study_file

__all__ = ["Answers", "Explanation", "explain", "explained", "study_file", "study_schema"]
