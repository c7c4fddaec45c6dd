"""The site: docstrings have the form of numpydoc, pages name all that results hold and messages say, and it builds."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

import hpfunc as hp

ROOT = Path(__file__).parents[2]
SITE = ROOT / "examples" / "site"


@pytest.fixture(scope="module")
def lister() -> ModuleType:
    spec = importlib.util.spec_from_file_location("list_messages", SITE / "list_messages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", hp.__all__)
def test_docstring_has_the_form_of_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is of the dependency group 'site'")
    conf = (SITE / "conf.py").read_text(encoding="utf-8")
    checks = ast.literal_eval(re.search(r"^numpydoc_validation_checks = (\{.*?\})$", conf, re.M | re.S)[1])
    assert "all" in checks
    errors = validate.validate(f"{getattr(hp, name).__module__}.{name}")["errors"]
    assert not [error for error in errors if error[0] not in checks]


def test_no_heading_of_a_section_was_broken_into_its_text():
    broken = re.compile(r"^ *\w+ -{3,} \S", re.M)
    assert not [path for path in (ROOT / "hpfunc").rglob("*.py") if broken.search(path.read_text(encoding="utf-8"))]


def test_messages_are_found_with_their_kind_and_docstrings_are_not(lister):
    source = '''
        """Say what it does."""
        def f(x):
            """Say what f does."""
            warn(f"{x!r} is odd, {', or '.join(x)}")
            _log.info("read %s of %d", x, 3)
            raise TypeError(f"x is {x}; "
                            "pass a number") if x else ValueError("short")
    '''
    source = "\n".join(line[8:] for line in source.splitlines())
    assert list(lister.messages_of(source)) == [
        ("UserWarning", "… is odd, …"),
        ("UserWarning", ", or"),
        ("log, INFO", "read … of …"),
        ("TypeError", "x is …; pass a number"),
    ]


def test_the_page_of_messages_holds_what_the_package_raises(lister):
    page = lister.messages_page(ROOT / "hpfunc")
    raised = []
    for arguments in ((np.ones((3, 2)), np.full((3, 2), np.nan)), (np.ones((3, 2)), np.ones((3, 4))), (1, 2)):
        with pytest.raises((TypeError, ValueError)) as caught:
            hp.hp_statistic(*arguments)
        raised.append(str(caught.value))
    lines = [line.partition(": `")[2].rstrip("`") for line in page.splitlines() if line.startswith("- ")]
    patterns = [re.compile(".*".join(map(re.escape, line.split("…"))), re.S) for line in lines if len(line) > 30]
    for message in raised:
        assert any(pattern.fullmatch(message) for pattern in patterns), message


def test_the_page_of_results_names_every_coord_variable_and_attribute():
    torch = pytest.importorskip("torch")
    page = (SITE / "results.md").read_text(encoding="utf-8")
    named = {name for row in re.findall(r"^\| (`.*?) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)}
    points, labels = torch.rand(40, 3, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2

    def build() -> torch.nn.Module:
        model = torch.nn.Sequential(torch.nn.Linear(3, 2))
        torch.nn.init.eye_(model[0].weight)
        return model

    options = {"classes": [0, 1], "dtype": "float64", "label": 1, "reduce": "mean", "forward": lambda m, x: m(x)}
    runs = hp.sweep({0: build()}, {"test": (points, labels)}, folds=2, repeats=2, key=0, **options)
    others = [
        hp.fold_interval(runs.hp.mean("pair")),
        hp.multiclass_hp(points, labels),
        hp.fisher_permutation(np.zeros(6), np.arange(6)),
        hp.fisher_steps(xr.DataArray(np.arange(12.0).reshape(2, 6), dims=("layer", "pair")), along="layer", key=0),
    ]
    attributes = {name for results in (runs, hp.hp_estimate(runs), *others) for name in results.attrs}
    attributes -= {"long_name", "units"}  # of each variable, for pictures
    assert {*runs.coords, *runs.data_vars} <= named
    assert named == {*runs.coords, *runs.data_vars} | attributes
    for results in others:
        for name in results.data_vars:
            assert f"`{name}`" in page


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("myst_nb", "numpydoc", "pydata_sphinx_theme", "sphinx_copybutton", "sphinx_gallery"):
        pytest.importorskip(package, reason="the site is built by the packages of the dependency group 'site'")
    made = shutil.ignore_patterns("__pycache__", "api", "made", "gallery", "concepts_gallery", "sg_execution_times.rst")
    for folder in ("examples", "benchmarks", ".github"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=made)
    shutil.copy(ROOT / "CITATION.cff", tmp_path)
    # The examples are shown and not run, which would take minutes; the workflow of the site runs them.
    command = [sys.executable, "-m", "sphinx", "-D", "plot_gallery=0", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "examples/site", "site"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in hp.__all__:
        assert f"hpfunc.{name}" in (tmp_path / "site" / "api" / f"hpfunc.{name}.html").read_text(encoding="utf-8")
    start = (tmp_path / "site" / "start.html").read_text(encoding="utf-8")
    assert 'href="gallery/quickstart.html"' in start
    assert 'href="made/tour.html"' in start
