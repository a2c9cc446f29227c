"""Sphinx: ``sphinx-build -W docs docs/_build`` in an environment with ``pip install -e '.[docs]'``."""

import sys
from pathlib import Path

from minigrad import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "minigrad"
author = "The minigrad authors"
copyright = "The minigrad authors"
version = release = __version__

extensions = ["formulas", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]

toc_object_entries = False  # hundreds of them, in the sidebar of each page

html_theme = "furo"
html_title = f"minigrad {__version__}"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def pages(app, error):
    """The interactive pages are made anew for each build, in the site."""
    import draw_demos
    import draw_gallery

    if not error and app.builder.format == "html":
        draw_demos.main(Path(app.outdir) / "demos")
        draw_gallery.page(Path(app.outdir) / "graphs")


def language_of(app, page, template, context, doctree):
    """Browsers choose glyphs, and screen readers a voice, by the language that the page names."""
    if page.startswith("ja/"):
        context["language"] = "ja"


def setup(app):
    """Modules in the reference get tables of what is in them, chapters the pages that they name."""
    import contents_tables
    import embedded_pages

    if not app.tags.has("check"):  # the checks of each commit do without pages of the source
        app.setup_extension("sphinx.ext.viewcode")
    app.connect("source-read", embedded_pages.on_read)
    app.connect("autodoc-process-docstring", contents_tables.add_table)
    app.connect("html-page-context", language_of)
    app.connect("build-finished", pages)
