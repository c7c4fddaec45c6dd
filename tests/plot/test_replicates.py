"""Folds, runs and seeds are drawn as the mean and its interval; other dims are refused with what to select."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from matplotlib.collections import LineCollection

from hpfunc.plot import plot_distributions, plot_layers, plot_pairs, plot_trajectory
from tests.artists import bands, data_lines, legend_texts, outlines, sweep_like


def repeated(dims: dict[str, int], **sizes: int) -> xr.DataArray:
    """Make results with further dims in front, each entry with noise of its own."""
    hp = sweep_like(**sizes).hp
    noise = np.random.default_rng(1).normal(0, 0.05, (*dims.values(), *hp.shape))
    values = 0.8 * hp + xr.DataArray(noise, dims=(*dims, *hp.dims), coords={d: range(n) for d, n in dims.items()})
    return values.rename("hp").assign_attrs(hp.attrs)


def bars(axes) -> list[np.ndarray]:
    """List the lower and upper ends of the bars of each series."""
    found = [c for c in axes.collections if isinstance(c, LineCollection)]
    # A bar without ends has an empty path.
    return [np.array([s[:, 1] if len(s) else (np.nan, np.nan) for s in line.get_segments()]) for line in found]


def student(values: xr.DataArray, dim: str) -> tuple[float, float]:
    """Compute the t interval of a mean by SciPy."""
    sample = values.values
    assert values.dims == (dim,)
    ends = scipy.stats.t.interval(0.95, len(sample) - 1, sample.mean(), scipy.stats.sem(sample))
    return float(ends[0]), float(ends[1])


@pytest.mark.parametrize("dim", ["seed", "run", "width"])
@pytest.mark.parametrize(
    ("plot", "by", "along"), [(plot_layers, "checkpoint", "layer"), (plot_trajectory, "layer", "checkpoint")]
)
def test_bars_are_students_interval_of_the_mean_over_pairs(plot, by, along, dim):
    values = repeated({dim: 5}, splits=1, layers=2)
    axes = plot(values, over=dim)
    mean = values.isel(split=0).mean("pair")
    for i, (line, ends) in enumerate(zip(data_lines(axes), bars(axes), strict=True)):
        series = mean.isel({by: i})
        np.testing.assert_allclose(line.get_ydata(), series.mean(dim).transpose(along))
        expected = [student(series.isel({along: j}), dim) for j in range(series.sizes[along])]
        np.testing.assert_allclose(ends, expected)
    assert legend_texts(axes.get_legend())[-1] == f"95 %, mean over 5 {dim}s"


@pytest.mark.parametrize("plot", [plot_layers, plot_trajectory])
def test_folds_need_no_option_and_the_legend_names_their_population(plot):
    values = repeated({"repeat": 2, "fold": 4})
    axes = plot(values.transpose("checkpoint", "split", "repeat", "fold", "layer", "pair"))
    assert "95 %, new samples of the same classes" in legend_texts(axes.get_legend())
    assert len(bars(axes)) == len(data_lines(axes)) > 0
    assert not bands(axes)


def test_bars_over_folds_follow_the_formula_of_repeated_partitions():
    x = np.array([[0.1, 0.3, 0.2], [0.2, 0.2, 0.5]])
    values = xr.DataArray(x[:, :, None, None], dims=("repeat", "fold", "layer", "pair"), coords={"layer": ["a"]})
    [ends] = bars(plot_layers(values))
    np.testing.assert_allclose(ends[0], [0.25 - 0.277735, 0.25 + 0.277735], atol=1e-6)


def test_folds_of_several_runs_are_averaged_before_the_runs_are_compared():
    values = repeated({"run": 4, "repeat": 2, "fold": 3}, splits=1, checkpoints=1)
    [ends] = bars(plot_layers(values, over="run"))
    averaged = values.mean(["repeat", "fold"]).isel(split=0, checkpoint=0)
    np.testing.assert_allclose(ends, bars(plot_layers(averaged, over="run"))[0])


def test_many_layers_have_a_band_in_place_of_bars():
    values = repeated({"fold": 4}, layers=30, splits=1)
    axes = plot_layers(values)
    assert len(bands(axes)) == 2
    assert not bars(axes)
    assert "95 %, new samples of the same classes" in legend_texts(axes.figure.legends[0])


def test_equal_folds_have_no_bar_and_warn_of_nothing():
    values = sweep_like(splits=1, checkpoints=1).hp.expand_dims(fold=3)
    [ends] = bars(plot_layers(values))
    assert np.isnan(ends).all()


def test_a_single_line_has_no_legend_and_its_axis_says_what_bars_are():
    values = repeated({"fold": 4}).isel(checkpoint=0, split=0)
    axes = plot_layers(values)
    assert axes.get_legend() is None
    assert axes.get_ylabel().replace("\n", " ").endswith("bars: 95 %, new samples of the same classes")
    plain = plot_layers(sweep_like().isel(checkpoint=0, split=0))
    assert plain.get_legend() is None
    assert plain.get_ylabel().replace("\n", " ").endswith("band: 10 % to 90 % of the pairs")
    assert plot_layers(sweep_like(classes=2).isel(checkpoint=0, split=0)).get_ylabel().endswith("mean over 1 pair")


def test_histogram_shows_mean_counts_with_their_interval():
    values = repeated({"seed": 4}, splits=1, checkpoints=1, layers=1)
    axes = plot_distributions(values, over="seed", bins=[-1, 0.4, 2])
    counts = xr.concat([(values < 0.4).sum("pair"), (values >= 0.4).sum("pair")], "bin").squeeze(drop=True)
    np.testing.assert_allclose(outlines(axes)[0].get_data().values, counts.mean("seed"))
    [ends] = bars(axes)
    for drawn, sample in zip(ends, counts, strict=True):
        low, high = student(sample, "seed")
        np.testing.assert_allclose(drawn, [max(low, 0), high])
    assert legend_texts(axes.get_legend()) == ["mean counts, 95 %, mean over 4 seeds"]


def test_tables_and_dots_show_the_mean_of_each_pair():
    values = repeated({"seed": 4}, classes=4).isel(checkpoint=0, split=0, layer=0)
    mean = values.mean("seed")
    table = plot_pairs(values, over="seed")
    for class_a, class_b in [(0, 1), (2, 3)]:
        assert float(table.images[0].get_array()[class_a, class_b]) == float(mean.sel(class_a=class_a, class_b=class_b))
    pair = values.sel(class_a=0, class_b=1)
    low, high = student(pair.drop_vars(["class_a", "class_b"]), "seed")
    assert f"{float(pair.mean()):.2f}\n±{(high - low) / 2:.2f}" in [t.get_text() for t in table.texts]
    dots = plot_distributions(values, over="seed", kind="dots")
    drawn = np.concatenate([line.get_ydata() for line in data_lines(dots) if line.get_linestyle() == "None"])
    np.testing.assert_allclose(np.sort(drawn), np.sort(mean.values))


def test_a_dim_that_nobody_named_is_refused_with_its_entries():
    values = repeated({"seed": 8})
    with pytest.raises(ValueError, match=r"over='seed'.*entries: seed: 0, 1, 2, 3, 4, 5, \.\.\.$"):
        plot_layers(values)
    with pytest.raises(ValueError, match=r"entries: run: 0, 1$"):
        plot_layers(repeated({"seed": 3, "run": 2}), over="seed")
    with pytest.raises(ValueError, match="over='epoch' is not a dim of results"):
        plot_layers(values, over="epoch")
    for used in ("layer", "pair", "split", "repeat"):
        with pytest.raises(ValueError, match=f"over='{used}' names a dim that this picture uses"):
            plot_trajectory(values, over=used)
    with pytest.raises(ValueError, match="needs at least two entries; results has 1"):
        plot_layers(values.isel(seed=[0]), over="seed")
