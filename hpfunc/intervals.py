"""Intervals that hold for new samples, or for new trainings: from values measured in folds or in repeated runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hpfunc._labels.align import read_values
from hpfunc._stats.intervals import fold_intervals
from hpfunc._support.warn import warn
from hpfunc._version import __version__

__all__ = ["fold_interval"]

_LONG_NAMES = {
    "estimate": "mean over folds",
    "se": "standard error",
    "low": "lower end of the interval",
    "high": "upper end of the interval",
    "pvalue": "p-value, t test of a mean of 0, two-sided",
    "df": "degrees of freedom",
}


def fold_interval(
    values: xr.DataArray, /, *, dim: str = "fold", repeat: str | None = "repeat", level: float = 0.95
) -> xr.Dataset:
    """Estimate a mean, with an interval and a test against 0 that hold for new samples of the same classes.

    Measure with ``pairwise_hp(..., folds=10, repeats=10, key=0)``, form the contrast of interest by xarray
    arithmetic, and pass it here: ``results.hp.mean("pair")``, ``after.hp - before.hp``, ``results.hp.diff("layer")``,
    one pair, or any other. With ``dim="run"`` it serves repeated trainings in the same way.

    Parameters
    ----------
    values : xarray.DataArray
        Real numbers with the dim ``dim``, for example ``hp`` of a result with folds. The dim ``repeat`` may be
        missing: this is then the one-sample t test over ``dim``.
    dim : str
        The dim of independent measurements: folds, or runs. It needs two entries or more.
    repeat : str, optional
        The dim of repeated partitions of the same samples.
    level : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    xarray.Dataset
        Over every other dim: ``estimate``, the mean; ``se``, its standard error; ``low`` and ``high``, the ends of the
        interval, all in the unit of the values; ``pvalue`` of a mean of 0, two-sided; ``df``, degrees of freedom.
        ``estimate`` keeps the attrs of the values, such as a ``long_name`` that says what the contrast is.

    Raises
    ------
    TypeError
        If ``values`` is no DataArray of real numbers, or ``level`` is no number.
    ValueError
        If ``dim`` is missing, is ``"pair"``, or has fewer than two entries; for NaN or infinity (naming where); for a
        ``level`` that is not between 0 and 1.

    Warns
    -----
    UserWarning
        Where the values do not vary at all, so that nothing is known of their spread: ``low`` and ``high`` are NaN
        there, and ``pvalue`` is 1 if the mean is 0, else NaN. This can happen for all pairs of a trained network, at
        the largest value that HP can take.

    Notes
    -----
    *Population.* With folds: new samples of the same classes, for the same network. With ``dim="run"``: new trainings,
    for the same samples. Neither covers new classes.

    *Estimand.* The mean of HP at the size of a fold, n / F samples of each class, which is lower than HP at n. Compare
    folds of equal size only. Layers of different shape can differ by their dimension alone. Related samples (frames of
    a film, augmentations of an image) belong in one fold: see ``groups`` of `pairwise_hp`. HP of folds must not be
    clipped, and that of `pairwise_hp` is not.

    *Formula.* For R partitions into F folds and the contrast x[r, f]: V_f is the mean over r of s_r^2 / F, with s_r^2
    the variance over folds; W is (1 - 1/R) times the variance over r of the fold means; V = max(V_f - W, V_f / 2); the
    interval is mean -+ t sqrt(V), with F - 1 degrees of freedom. V_f - W estimates the variance of the mean over all
    partitions without bias [1]_, and can be far too small where the classes do not differ at all, hence the floor. With
    one partition this is Student's interval. More partitions remove the noise of a single partition [2]_, but add no
    samples.

    References
    ----------
    .. [1] Q. Wang and B. Lindsay, "Variance estimation of a general U-statistic with application to cross-validation",
       Statistica Sinica 24 (2014), 1117-1141, doi:10.5705/ss.2012.215.
    .. [2] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003), 239-281,
       doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> import hpfunc as hp, xarray as xr
    >>> values = xr.DataArray([[0.1, 0.3, 0.2], [0.2, 0.2, 0.5]], dims=["repeat", "fold"])
    >>> interval = hp.fold_interval(values)
    >>> [round(float(interval[name]), 6) for name in ("estimate", "low", "high", "pvalue")]
    [0.25, -0.027735, 0.527735, 0.060664]
    """
    if not isinstance(values, xr.DataArray):
        advice = "pass one of its variables, such as results.hp" if isinstance(values, xr.Dataset) else "label its dims"
        raise TypeError(f"values is a {type(values).__name__}; expected an xarray DataArray: {advice}")
    _check_options(dim, repeat, level)
    if dim not in values.dims:
        remedy = "measure with pairwise_hp(..., folds=10, repeats=10, key=0)" if dim == "fold" else "name another dim="
        raise ValueError(f"dim={dim!r} is not a dim of values, whose dims are {values.dims}; {remedy}")
    if values.sizes[dim] < 2:
        raise ValueError(f"values has {values.sizes[dim]} entry along {dim!r}; an interval needs two or more")
    read_values(values, dim, "values")
    repeated = values if repeat in values.dims else values.expand_dims(repeat or "repeat")
    last = (repeat or "repeat", dim)
    ordered = repeated.transpose(..., *last)
    array = np.asarray(ordered.values, np.float64)
    found = fold_intervals(array.reshape(-1, *array.shape[-2:]), float(level))
    left = ordered.isel(dict.fromkeys(last, 0), drop=True)
    columns = {name: np.full(left.shape, found.df) if name == "df" else getattr(found, name) for name in found._fields}
    results = xr.Dataset({name: left.copy(data=column.reshape(left.shape)) for name, column in columns.items()})
    for name, variable in results.data_vars.items():
        own = {"long_name": _LONG_NAMES[str(name)], "units": "1"}
        if name in ("se", "low", "high") and "units" in values.attrs:
            own["units"] = values.attrs["units"]
        variable.attrs = own | values.attrs if name == "estimate" else own
    _warn_of_constants(results)
    return results.assign_attrs(
        dim=dim, level=float(level), n=values.sizes[dim], repeats=array.shape[-2], hpfunc_version=__version__
    )


def _check_options(dim: Any, repeat: Any, level: Any) -> None:
    """Raise TypeError or ValueError for options that fit no values."""
    if isinstance(level, bool) or not isinstance(level, (int, float, np.number)):
        raise TypeError(f"level={level!r} is a {type(level).__name__}; pass a number between 0 and 1, such as 0.95")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} is not between 0 and 1; pass for example 0.95")
    if dim == repeat:
        raise ValueError(f"dim and repeat are both {dim!r}; name two dims, or pass repeat=None")
    if dim == "pair":
        raise ValueError(
            "dim='pair': pairs share classes and samples, so that no interval over them holds; pass "
            "values.mean('pair') with dim='fold' or dim='run'"
        )


def _warn_of_constants(results: xr.Dataset) -> None:
    """Warn of the entries whose values do not vary, and say where the first of them is."""
    constant: xr.DataArray = results["low"].isnull()
    if not constant.any():
        return
    first = {dim: int(place) for dim, place in zip(constant.dims, np.argwhere(constant.values)[0], strict=True)}
    labels = [f"{dim}={constant[dim].values[i] if dim in constant.indexes else i}" for dim, i in first.items()]
    place = f"at {', '.join(labels)} " if labels else ""
    warn(
        f"{int(constant.sum())} of {constant.size} entries do not vary at all ({place}every value is "
        f"{float(results['estimate'].isel(first)):.6g}; HP may be at its ceiling), so nothing is known of their "
        "spread: low and high are NaN there, and pvalue is 1 where the mean is 0; take more samples"
    )
