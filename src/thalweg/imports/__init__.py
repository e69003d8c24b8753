"""Import what other programs have left, weights, masks and tables, as the runs of a study."""

from thalweg.imports.importing import Imported, import_files

__all__ = ["Imported", "import_files"]
