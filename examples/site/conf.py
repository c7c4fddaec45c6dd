"""Configure the site: ``python -m sphinx -W --keep-going -b html examples/site build/site`` builds it.

The reference comes from the docstrings, the page of messages from the source, and the gallery from the examples, which
are run while the site is built (some minutes; ``-D plot_gallery=0`` leaves that out). No network is needed. To link to
the documentation of xarray, NumPy and torch, set ``HPFUNC_SITE_LINKS=1``, or, where there is no network, set it to a
folder that holds their inventories (``xarray.inv``, ...).
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
from list_messages import messages_page  # noqa: E402
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
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
nb_execution_mode = "off"  # The notebook keeps its pictures; a test runs it.
exclude_patterns = ["concepts/*", "concepts_gallery/*.ipynb", "gallery/*.ipynb"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
nitpicky = True

# ---- pages that are made from other files
MADE = HERE / "made"
MADE.mkdir(exist_ok=True)
(MADE / "messages.md").write_text(messages_page(Path(hpfunc.__file__).parent), encoding="utf-8")
shutil.copy(HERE.parent / "tour.ipynb", MADE)

# ---- docstrings
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
# All that numpydoc checks, but for a second paragraph of the summary and for a list of related functions: the overview
# of the reference shows those side by side.
numpydoc_validation_checks = {"all", "ES01", "SA01"}
default_role = "py:obj"
LINKED = {
    "python": "https://docs.python.org/3",
    "numpy": "https://numpy.org/doc/stable",
    "xarray": "https://docs.xarray.dev/en/stable",
    "torch": "https://docs.pytorch.org/docs/stable",
    "matplotlib": "https://matplotlib.org/stable",
}
links = os.environ.get("HPFUNC_SITE_LINKS")
inventories = Path(links) if links and Path(links).is_dir() else None
intersphinx_mapping = {
    name: (address, str(inventories / f"{name}.inv") if inventories else None)
    for name, address in LINKED.items()
    if links
}
numpydoc_xref_param_type = bool(links)
numpydoc_xref_ignore = "all"
# Links inside the site must lead somewhere; those to other sites only where their inventories are read.
nitpick_ignore_regex = [] if links else [("py:.*", rf"({'|'.join(LINKED)}|concurrent)\..*")]

# ---- gallery
# Run each example as a program that writes into a folder of its own. Those that need data or a cluster are only shown.
OUT = Path(tempfile.mkdtemp(prefix="hpfunc-site-"))
NOT_RUN = ("mnist_guide", "dask_sweep", "paper")


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


# The pages are read in the repository too, where links lead to files; some of these files are pages of the site.
PAGES = {"../../benchmarks/README.md": "benchmarks.md", "../../.github/CONTRIBUTING.md": "contributing.md"}


def add_links(app, docname, source):
    """Link functions to the reference and examples to the gallery, where a page writes their names in quotes."""
    if docname not in ("start", "concepts", "choosing", "honest", "results", "cost", "gpu", "older_tool", "changes"):
        return
    for file, page in PAGES.items():
        source[0] = source[0].replace(f"]({file}", f"]({page}")
    functions = "|".join(hpfunc.__all__)
    source[0] = re.sub(rf"`(hp\.({functions})(\([^`<]*\))?)`", r"{py:func}`\1 <hpfunc.\2>`", source[0])
    source[0] = re.sub(r"`(examples/(\w+)\.py)`", r"[`\1`](gallery/\2.rst)", source[0])
    source[0] = source[0].replace("`examples/tour.ipynb`", "[`examples/tour.ipynb`](made/tour.ipynb)")


def setup(app):
    """Connect the titles of the gallery and the links of the pages."""
    app.connect("source-read", add_title)
    app.connect("source-read", add_links)


sphinx_gallery_conf = {
    "examples_dirs": [str(HERE / "concepts"), str(HERE.parent)],
    "gallery_dirs": ["concepts_gallery", "gallery"],
    "filename_pattern": rf"^(?!.*({'|'.join(NOT_RUN)})).*\.py$",
    "ignore_pattern": r"__init__\.py|conf\.py",
    "within_subsection_order": "FileNameSortKey",
    "reset_argv": arguments,
    "image_scrapers": (written_pictures,),
    "default_thumb_file": str(HERE.parent / "quickstart.png"),  # Of examples that draw nothing, or are only shown.
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
# Only the reference and the galleries have pages below them to show at the side.
html_sidebars = {page: [] for page in ("made/*", *(path.stem for path in HERE.glob("*.md")))}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
