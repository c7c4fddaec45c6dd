"""Fisher's permutation test of a difference of means, between results and along them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hpfunc._arrays import on_device
from hpfunc._labels.align import as_series, read_values, result_coords
from hpfunc._stats.permutation import (
    PermutationOptions,
    PermutationResult,
    arrangement_count,
    check_options,
    paired_test,
    unpaired_test,
)
from hpfunc._support.surroundings import unaffected
from hpfunc._support.warn import warn
from hpfunc._version import __version__

__all__ = ["fisher_permutation", "fisher_steps"]

# Tests that cannot reach this level get a warning.
_LEVEL = 0.05


@unaffected
def fisher_permutation(
    before: Any,
    after: Any,
    /,
    *,
    dim: str = "pair",
    key: int | tuple[int, ...] | None = None,
    n_permutations: int = 9999,
    paired: bool = True,
    alternative: str = "two-sided",
    batch_size: int | None = None,
) -> xr.Dataset:
    """Test whether the mean along a dim differs between two measurements, by permutation.

    Paired (the default): each entry along ``dim`` was measured before and after; under the null hypothesis the two
    could be exchanged, so the signs of the differences are flipped. Unpaired: all values are pooled, and any of them
    may have stood on either side.

    Parameters
    ----------
    before, after : xarray.DataArray or array-like
        Real numbers with the dim ``dim``. In a plain array (NumPy, torch, CuPy, a list) the last axis is ``dim`` and
        the others are called ``dim_0``, ``dim_1``, ... All other dims are broadcast against each other, matched by
        their coords where they have any.
    dim : str
        The dim whose entries are permuted. Entries are matched by their coords along it: ``class_a`` and ``class_b``
        together, in either order; else the coordinate of that name; else all coords along it; without coords by
        position. In the paired test both must hold the same entries, in any order; in the unpaired test their numbers
        may differ.
    key : int or tuple of int, optional
        What the draws depend on. Required unless the test is exact.
    n_permutations : int
        How many random arrangements to draw. If all distinct arrangements (``2**n`` sign flips of n pairs, or
        ``C(n1 + n2, n1)`` splits) are no more than this, each of them is used once and the test is exact.
    paired : bool
        False for the unpaired test. Where an entry is correlated before and after, as a pair of classes is, the
        unpaired test almost never rejects.
    alternative : {"two-sided", "greater", "less"}
        What counts as extreme: a difference as large in magnitude, as large, or as small as the observed one.
    batch_size : int, optional
        How many arrangements to hold at a time; by default as many as fit in some tens of megabytes. It bounds the
        memory and does not change the result.

    Returns
    -------
    xarray.Dataset
        Over every other dim (those of ``before`` first): ``statistic``, the mean of after minus the mean of before, in
        their unit; ``pvalue``; ``n_permutations``, the arrangements that were compared; ``exact``; ``least_pvalue``,
        the smallest p-value that the test can give: for n pairs and a two-sided test 2 / 2**n, so that one pair always
        gives 1, three give .25 and five .0625.

    Raises
    ------
    TypeError
        For a Dataset, for data that are not real numbers, and for options of a wrong type.
    ValueError
        For a missing or empty dim, NaN or infinity (naming where), entries that do not match (naming them), a
        missing key, and unknown option values.

    Warns
    -----
    UserWarning
        Where no test of the result can be significant at 5 % after Holm's adjustment for all of them, however large the
        differences are: ``least_pvalue`` times the number of tests is above .05. `plot_fisher` marks such tests.

    Notes
    -----
    With b of n random arrangements at least as extreme as the observed one, p = (b + 1)/(n + 1) [1]_, which is never 0;
    an exact test gives the plain share of all arrangements. A permuted difference that falls short of the observed one
    by no more than 100 eps times the largest of its magnitude and the magnitudes of the data counts as a tie, and
    therefore as extreme.

    All other dims are tested with the same draws. The draw for an entry depends on the key and on the entry's label:
    not on the order of entries or dims, on other layers, or on the device.

    The test treats entries as exchangeable and independent. Class pairs share classes and samples, so that over
    ``dim="pair"`` the p-value describes these pairs only: of simulated data sets of new samples (10 classes) in which
    nothing changed it rejects 28 to 34 % at the level of 5 %. For statements about new samples measure in folds and
    use `fold_interval`; for statements about training again measure several runs and use
    ``fold_interval(..., dim="run")``.

    References
    ----------
    .. [1] B. Phipson and G. K. Smyth, "Permutation p-values should never be zero: calculating exact p-values when
       permutations are randomly drawn", Statistical Applications in Genetics and Molecular Biology 9 (2010),
       article 39, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> import hpfunc as hp
    >>> before, after = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.7, 0.8, 0.9, 0.8, 0.7, 0.9]
    >>> test = hp.fisher_permutation(before, after)
    >>> float(test.pvalue), bool(test.exact), int(test.n_permutations)
    (0.03125, True, 64)
    >>> round(float(hp.fisher_permutation(before, after, paired=False).pvalue), 5)
    0.00216

    Layers stay, pairs are permuted:

    >>> import numpy as np, xarray as xr
    >>> hp_values = np.arange(40).reshape(2, 20) / 40
    >>> before = xr.DataArray(hp_values, {"layer": ["conv1", "fc"]}, ["layer", "pair"])
    >>> after = before + xr.DataArray([0.0, 0.1], dims="layer")
    >>> hp.fisher_permutation(before, after, key=0).pvalue.round(4).to_series().to_dict()
    {'conv1': 1.0, 'fc': 0.0001}
    """
    check_options(dim, key, n_permutations, paired, alternative, batch_size)
    n_permutations = int(n_permutations)
    left, right = read_values(before, dim, "before"), read_values(after, dim, "after")
    series_before, series_after, sizes = as_series(left, right, dim, paired=paired)
    n_before, n_after = series_before.shape[1], series_after.shape[1]
    n, k = (n_before, None) if paired else (n_before + n_after, n_after)
    if key is None and arrangement_count(n, k, n_permutations) > n_permutations:
        raise ValueError(
            f"key is required: {n_before} values before and {n_after} after have more arrangements than "
            f"n_permutations={n_permutations}, so these are drawn at random; pass an integer such as key=0"
        )
    options = PermutationOptions(key, n_permutations, alternative, batch_size)
    with on_device(series_before):
        test = (paired_test if paired else unpaired_test)(series_before, series_after, options)
    if not np.isfinite(test.statistic).all():
        raise ValueError("the difference of means is too large for float64; divide before and after by a constant")
    entries = ("1 entry" if n_before == 1 else f"{n_before} entries") if paired else f"{n_before} and {n_after} entries"
    _warn_if_undecidable(test, dim, entries)
    design = "paired" if paired else "unpaired"
    columns = {
        "statistic": (test.statistic, "mean of after minus mean of before"),
        "pvalue": (test.pvalue, f"p-value, {design} permutation test, {alternative}"),
        "n_permutations": (np.full(len(test.pvalue), test.n_permutations), "arrangements compared"),
        "exact": (np.full(len(test.pvalue), test.exact), "all arrangements compared"),
        "least_pvalue": (np.full(len(test.pvalue), test.least), "smallest p-value that this test can give"),
    }
    shape = tuple(sizes.values())
    return xr.Dataset(
        {n: (list(sizes), v.reshape(shape), {"long_name": t, "units": "1"}) for n, (v, t) in columns.items()},
        coords=result_coords(left, right, dim),
        attrs={
            "dim": dim,
            "paired": int(paired),
            "alternative": alternative,
            "key": "none" if key is None else str(key),
            "most_permutations": n_permutations,
            "hpfunc_version": __version__,
        },
    )


def _warn_if_undecidable(test: PermutationResult, dim: str, entries: str) -> None:
    """Warn where no p-value can be 5 % or less after adjustment for all tests of the result."""
    n_tests = len(test.pvalue)
    if test.least * n_tests <= _LEVEL:
        return
    adjusted = f" ({min(1.0, test.least * n_tests):.3g} after Holm's adjustment for {n_tests} tests)"
    remedy = f"measure more entries along {dim!r}" if test.exact else f"pass n_permutations={20 * n_tests} or more"
    warn(
        f"no difference can be significant at 5 %, however large: with {entries} along {dim!r} and "
        f"{test.n_permutations} arrangements the least possible p-value is {test.least:.3g}"
        f"{adjusted if n_tests > 1 else ''}; {remedy}"
    )


@unaffected
def fisher_steps(
    values: xr.DataArray,
    /,
    *,
    along: str,
    dim: str = "pair",
    key: int | tuple[int, ...] | None = None,
    n_permutations: int = 9999,
    paired: bool = True,
    alternative: str = "two-sided",
    batch_size: int | None = None,
) -> xr.Dataset:
    """Test each entry along one dim against the next: from layer to layer, from checkpoint to checkpoint.

    Parameters
    ----------
    values : xarray.DataArray
        Real numbers with the dims ``along`` and ``dim``.
    along : str
        The dim whose neighbouring entries are compared, in their order.
    dim : str
        The dim whose entries are permuted. Paired, entries are matched by their coords along it.
    key : int or tuple of int, optional
        What the draws depend on. Required unless the test is exact.
    n_permutations : int
        How many random arrangements to draw. If all distinct arrangements are no more than this, each of them is used
        once and the test is exact.
    paired : bool
        False for the unpaired test, which pools all values of both entries.
    alternative : {"two-sided", "greater", "less"}
        What counts as extreme: a difference as large in magnitude, as large, or as small as the observed one.
    batch_size : int, optional
        How many arrangements to hold at a time. It bounds the memory and changes no bit of the result.

    Returns
    -------
    xarray.Dataset
        As from `fisher_permutation`, with the dim ``step`` in place of ``along``. Its coords ``before`` and
        ``after`` hold the labels between which the step lies (positions, where ``along`` has no coordinate);
        select by either of them, ``sel(before="conv1")``.

    Raises
    ------
    TypeError, ValueError
        As from `fisher_permutation`; also if ``values`` is not a DataArray, or has fewer than two entries
        along ``along``.

    Warns
    -----
    UserWarning
        As from `fisher_permutation`.

    Notes
    -----
    Each step is what `fisher_permutation` gives for its two entries with the same key, bit for bit: all steps
    use the same draws, and adding a layer leaves the other steps as they were. These are several tests on the
    same data: see `adjust_pvalues`.

    Examples
    --------
    >>> import hpfunc as hp, xarray as xr
    >>> hp_by_layer = xr.DataArray(
    ...     [[0.1, 0.2, 0.3, 0.2, 0.1, 0.3], [0.1, 0.3, 0.2, 0.2, 0.1, 0.3], [0.6, 0.8, 0.9, 0.7, 0.9, 0.8]],
    ...     {"layer": ["conv1", "relu1", "fc"]},
    ...     ["layer", "pair"],
    ... )
    >>> steps = hp.fisher_steps(hp_by_layer, along="layer", alternative="greater")
    >>> steps.pvalue.values
    array([0.75    , 0.015625])
    >>> float(steps.pvalue.sel(after="fc"))
    0.015625
    """
    if not isinstance(values, xr.DataArray):
        raise TypeError(f"values is a {type(values).__name__}; pass a DataArray with the dims {along!r} and {dim!r}")
    taken = {"step", "before", "after"} & set(values.dims)
    if along == dim or taken:
        clash = f"along={along!r} is dim too" if along == dim else f"values has a dim named {taken.pop()!r}"
        raise ValueError(f"{clash}; along and dim must be two dims, and none named step, before or after")
    read_values(values, dim, "values")
    if along not in values.dims or values.sizes[along] < 2:
        raise ValueError(f"along={along!r}: values has the sizes {dict(values.sizes)}; a step needs two entries there")
    labels = values[along].values
    bare = values.drop_vars([name for name, coord in values.coords.items() if along in coord.dims])
    ends = [bare.isel({along: part}).rename({along: "step"}) for part in (slice(None, -1), slice(1, None))]
    steps = fisher_permutation(
        *ends, dim=dim, key=key, n_permutations=n_permutations, paired=paired, alternative=alternative,
        batch_size=batch_size,
    )  # fmt: skip
    steps = steps.drop_vars({"before", "after"} & set(steps.coords))
    steps = steps.assign_coords(before=("step", labels[:-1]), after=("step", labels[1:]))
    return steps.set_xindex("before").set_xindex("after").assign_attrs(along=along)
