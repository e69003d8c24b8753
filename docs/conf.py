"""The documentation site: `make docs` builds it, into build/site, without a network."""

import os
import sys
import warnings
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

# Studies of the gallery and of the tutorials: one thread a process, data from nowhere else.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")

project = "Thalweg"
author = "The Thalweg authors"
copyright = author  # noqa: A001 - Sphinx calls it that
release = version = installed("thalweg")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
root_doc = "index"
exclude_patterns = ["_extensions", "figures/*.py"]
suppress_warnings = ["config.cache"]

# Pages are read in the repository too, so their links are those of forges.
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "off"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "py:obj"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "Thalweg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
templates_path: list[str] = []
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_exclude = ".linenos, .gp, .go"
