"""The documentation site: `make docs` builds it, into build/site, without a network."""

import re
import shutil
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

# The scripts of the gallery run where they may leave files.
SCRIPTS = HERE.parent / "build" / "gallery"
shutil.rmtree(SCRIPTS, ignore_errors=True)
shutil.copytree(HERE / "gallery", SCRIPTS)

project = "Thalweg"
author = "The Thalweg authors"
copyright = author  # noqa: A001 - Sphinx calls it that
release = version = installed("thalweg")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["_extensions", "gallery", "auto_gallery/*.ipynb"]
suppress_warnings = [
    "config.cache",
    "mystnb.unknown_mime_type",  # Plotly's, beside which there is a picture
]

# Pages are read in the repository too, so their links are those of forges.
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # warnings of other packages, with paths of this machine

sphinx_gallery_conf = {
    "examples_dirs": str(SCRIPTS),
    "gallery_dirs": "auto_gallery",
    "filename_pattern": "plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("gallery_figures.scrape", "matplotlib"),
    "capture_repr": ("_repr_html_",),
    "matplotlib_animations": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "abort_on_example_error": False,
    "copyfile_regex": "",
}

autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}
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


def escape_bars(app, what, name, obj, options, lines):
    """Keep |w| a formula: to reStructuredText it would be the name of a substitution."""
    spans = re.compile(r"(``.*?``|`.*?`)")
    for number, line in enumerate(lines):
        parts = spans.split(line)
        lines[number] = "".join(
            part if part.startswith("`") else part.replace("|", r"\|") for part in parts
        )


def link_to_gallery(app, name, source):
    """Lead to what became of a script of the gallery what leads to the script in the repository."""
    source[0] = re.sub(r"\bgallery/(plot_\w+)\.py\)", r"auto_gallery/\1.rst)", source[0])


def level_captions(app, page, template, context, doctree):
    """Give the captions of tables of contents the level that headings need."""
    for part in ("body", "furo_navigation_tree"):
        if context.get(part):
            context[part] = context[part].replace(
                'class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"'
            )


def setup(app):
    app.connect("html-page-context", level_captions, priority=900)  # behind Furo's own
    app.connect("source-read", link_to_gallery)
    app.connect("autodoc-process-docstring", escape_bars)
