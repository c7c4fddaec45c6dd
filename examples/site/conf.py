"""Configure the documentation: ``python -m sphinx -W --keep-going -b html examples/site <output folder>``.

The API pages come from the docstrings, the gallery from the examples, which are run while the site is built. Links to
the documentation of xarray, NumPy and torch need a network; they are made where ``HPFUNC_SITE_LINKS`` is set.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import matplotlib.pyplot as plt  # noqa: E402
from sphinx_gallery.scrapers import figure_rst, matplotlib_scraper  # noqa: E402

import hpfunc  # noqa: E402

mpl.use("agg")

project = "hpfunc"
author = "The hpfunc developers"
copyright = "The hpfunc developers"
version = release = hpfunc.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["concepts/*"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

# ---- docstrings
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "all",
    "ES01",  # A summary of one sentence is enough where it says all.
    "GL01",  # The summary stands on the line of the opening quotes.
    "SA01",  # The overview of the API shows related functions.
    "SS06",  # A summary may need two clauses.
    "EX01",
}
default_role = "py:obj"
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "xarray": ("https://docs.xarray.dev/en/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "matplotlib": ("https://matplotlib.org/stable", None),
    }
    if os.environ.get("HPFUNC_SITE_LINKS")
    else {}
)

# ---- gallery
# Run each example as a program that writes into a folder of its own. Those that need data or a cluster are only shown.
OUT = Path(tempfile.mkdtemp(prefix="hpfunc-site-"))
NOT_RUN = ("mnist_guide", "dask_sweep")


def arguments(gallery_conf, script_vars):
    """Give an example the folder into which it writes."""
    name = Path(script_vars["src_file"]).stem
    return [] if name == "own_model_snapshot" or name.startswith("plot_") else ["--out", str(OUT / name)]


def written_pictures(block, block_vars, gallery_conf):
    """Take the pictures that an example wrote into its folder; for other pages those that matplotlib shows."""
    written = sorted((OUT / Path(block_vars["src_file"]).stem).glob("*.png"))
    if not written:
        return matplotlib_scraper(block, block_vars, gallery_conf)
    pictures = [next(block_vars["image_path_iterator"]) for _ in written]
    for source, target in zip(written, pictures, strict=True):
        shutil.move(source, target)
    plt.close("all")
    return figure_rst(pictures, gallery_conf["src_dir"])


def add_title(app, docname, source):
    """Make the first words of an example's docstring, up to a colon, the title of its page."""
    if docname.startswith("gallery/") and not docname.endswith("index"):
        sentence = re.search(r"^\.\. _sphx_glr_.*:\n+(.+)$", source[0], re.M)
        if sentence and not source[0][sentence.end() :].startswith("\n="):
            title = sentence.group(1).partition(":")[0].rstrip(".")
            heading = f"{title}\n{'=' * len(title)}\n\n{sentence.group(1)}"
            source[0] = source[0].replace(sentence.group(1), heading, 1)


def setup(app):
    """Connect the titles of the gallery."""
    app.connect("source-read", add_title)


sphinx_gallery_conf = {
    "examples_dirs": [str(HERE / "concepts"), str(HERE.parent)],
    "gallery_dirs": ["concepts_gallery", "gallery"],
    "filename_pattern": rf"^(?!.*({'|'.join(NOT_RUN)})).*\.py$",
    "ignore_pattern": r"__init__\.py|conf\.py",
    "within_subsection_order": "FileNameSortKey",
    "reset_argv": arguments,
    "image_scrapers": (written_pictures,),
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1e6,
    "remove_config_comments": True,
    "backreferences_dir": None,
}

# ---- looks
html_theme = "pydata_sphinx_theme"
html_title = "hpfunc"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
