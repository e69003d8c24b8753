"""Pictures of the charts that a script of the gallery shows as the last thing of a block."""

from sphinx_gallery.scrapers import figure_rst

from thalweg.report.notebook import Figure


def scrape(block, block_vars, gallery_conf):
    """Save the block's chart as sphinx-gallery wants it, and return the directive that shows it."""
    seen = block_vars["example_globals"]
    shown = seen.get("___")  # where sphinx-gallery keeps the value of a last expression
    if not isinstance(shown, Figure):
        return ""
    seen["___"] = None
    path = next(block_vars["image_path_iterator"])
    shown.matplotlib().savefig(path, dpi=200)
    return figure_rst([path], gallery_conf["src_dir"], shown.chart.description)
