"""What all pictures keep to: pure, legible in grey, and plain about what they cannot draw."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from hpfunc._plot.parts.style import ordered_colours
from hpfunc.plot import plot_distributions, plot_fisher, plot_layers, plot_pairs, plot_pca, plot_trajectory
from tests.artists import projection, sweep_like

PICTURES = {
    "distributions": (plot_distributions, sweep_like()),
    "layers": (plot_layers, sweep_like()),
    "trajectory": (plot_trajectory, sweep_like()),
    "pairs": (plot_pairs, sweep_like().isel(checkpoint=0, split=0, layer=0)),
    "pca": (plot_pca, projection([0, 1])),
    "fisher": (
        plot_fisher,
        xr.DataArray([0.2, 0.01], dims="layer", coords={"layer": ["a", "b"]}, name="pvalue"),
    ),
}


def styles() -> dict[str, Any]:
    """All settings but the backend: to look that one up imports pyplot, which then holds every figure."""
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_pure(name):
    plot, results = PICTURES[name]
    before, style = results.copy(deep=True), styles()
    axes = Figure().subplots()
    assert plot(results, ax=axes) is axes
    assert isinstance(plot(results), Axes)
    xr.testing.assert_identical(results, before)
    assert styles() == style


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_refuse_what_they_cannot_draw(name):
    plot, results = PICTURES[name]
    with pytest.raises(TypeError, match=r"^(results|tests) is a ndarray"):
        plot(np.zeros(3))
    with pytest.raises(TypeError, match="ax is a Figure"):
        plot(results, ax=Figure())
    with pytest.raises(ValueError, match=r"^(results|tests) has no "):
        plot(xr.Dataset({"other": ("pair", [1.0])}))
    if name != "pca":
        values = results if isinstance(results, xr.DataArray) else results.hp
        with pytest.raises(ValueError, match=r"select one entry, as in \.sel\(seed=.*their entries: seed: 4, 5$"):
            plot(values.expand_dims(seed=[4, 5]))
        with pytest.raises(ValueError, match="no finite value"):
            plot(values * np.nan)


def test_pictures_name_the_dims_that_they_miss():
    hp = sweep_like().hp
    with pytest.raises(ValueError, match=r"needs \['layer'\]"):
        plot_layers(hp.isel(layer=0))
    with pytest.raises(ValueError, match=r"needs \['pair'\]"):
        plot_layers(hp.mean("pair"))
    with pytest.raises(ValueError, match=r"needs \['checkpoint'\]"):
        plot_trajectory(hp.isel(checkpoint=0))
    with pytest.raises(ValueError, match="by_layer=True needs the dim 'layer'"):
        plot_distributions(hp.isel(layer=0), by_layer=True)


def test_options_are_checked():
    hp = sweep_like().hp
    for spread in [(0.9, 0.1), (0.5, 0.5), (-1, 1), (0, 2), (0.1,), 0.5, "range"]:
        with pytest.raises(ValueError, match="is not two rising quantiles"):
            plot_layers(hp, spread=spread)
    with pytest.raises(ValueError, match="leave ax out"):
        plot_distributions(hp, by_layer=True, ax=Figure().subplots())
    with pytest.raises(ValueError, match="choose one of 'class', 'similarity'"):
        plot_pairs(hp[0, 0, 0], order="size")
    holes = hp[0, 0, 0].where(hp[0, 0, 0].pair != 3)
    with pytest.raises(ValueError, match="1 are missing or NaN"):
        plot_pairs(holes, order="similarity")
    with pytest.raises(ValueError, match="alpha=5 is not a level"):
        plot_fisher(xr.DataArray([0.2], dims="layer"), alpha=5)


@pytest.mark.parametrize("n", range(2, 13))
def test_ordered_colours_grow_darker_also_in_grey(n):
    # Relative luminance, as in WCAG 2: what is left of a colour on grey paper.
    def luminance(colour):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    shades = [luminance(c) for c in ordered_colours(n)]
    assert all(a > b for a, b in itertools.pairwise(shades))
    assert (shades[0] + 0.05) / (shades[-1] + 0.05) > 2


NOTEBOOK = "from unittest import mock; sys.modules['IPython'] = mock.MagicMock(version_info=(9, 0))"


@pytest.mark.parametrize(
    ("session", "figures"),
    [("", 0), ("import matplotlib.pyplot", 1), (NOTEBOOK, 1)],
    ids=["script", "pyplot", "notebook"],
)
def test_figures_are_shown_where_pyplot_is_in_use_and_held_by_nobody_elsewhere(session, figures):
    code = f"""
import sys
import xarray as xr
from hpfunc.plot import plot_distributions
{session}
ax = plot_distributions(xr.DataArray([0.1, 0.9], dims="pair"))
ax.figure.draw_without_rendering()
assert ("matplotlib.pyplot" in sys.modules) == {bool(figures)}
from matplotlib import pyplot
assert len(pyplot.get_fignums()) == {figures}, pyplot.get_fignums()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "MPLBACKEND": "agg"})
