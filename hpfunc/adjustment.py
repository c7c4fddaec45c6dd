"""Adjustment of p-values for the number of tests, with their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hpfunc._arrays import as_array, is_pandas, to_host
from hpfunc._stats.adjust import ADJUSTMENTS, adjust_along
from hpfunc._support.checks import check_option
from hpfunc._support.surroundings import unaffected

__all__ = ["adjust_pvalues"]


@unaffected
def adjust_pvalues(pvalues: Any, /, *, method: str = "holm", dim: str | None = None) -> Any:
    """Adjust p-values for the number of tests made.

    Parameters
    ----------
    pvalues : xarray.DataArray or array-like
        Numbers from 0 to 1. NaN marks a test without an answer, which `fold_interval` gives where values do not vary:
        it stays NaN, and does not count among the tests. ``pvalues.fillna(1)`` counts it as a test that found nothing.
    method : {"holm", "bh"}
        ``"holm"``: Holm's step-down [1]_; the chance of any false rejection stays below the level, however the tests
        depend on each other. ``"bh"``: Benjamini and Hochberg's step-up [2]_; the expected share of false rejections
        among all rejections stays below it, for independent (or positively dependent) tests.
    dim : str, optional
        Adjust along this dim, separately for all others. None: jointly over all p-values. A plain array has
        no dims and is adjusted jointly.

    Returns
    -------
    xarray.DataArray or numpy.ndarray
        Adjusted p-values, float64: a DataArray with the same dims, coords and name for a DataArray, a Series or
        DataFrame with the same index for one of pandas, else a NumPy array of the same shape. Compare them directly
        with the level.

    Raises
    ------
    TypeError
        For a Dataset, and for data that are not real numbers.
    ValueError
        For an unknown method or dim, no p-values at all, and values outside 0 to 1.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
       Statistics 6 (1979), 65-70.
    .. [2] Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate: a practical and powerful approach to
       multiple testing", Journal of the Royal Statistical Society B 57 (1995), 289-300,
       doi:10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> import hpfunc as hp
    >>> hp.adjust_pvalues([0.01, 0.02, 0.03, 0.5])
    array([0.04, 0.06, 0.06, 0.5 ])
    >>> hp.adjust_pvalues([0.01, 0.02, 0.03, 0.5], method="bh")
    array([0.04, 0.04, 0.04, 0.5 ])
    """
    check_option("method", method, ADJUSTMENTS)
    if isinstance(pvalues, xr.Dataset):
        raise TypeError("pvalues is a Dataset; pass its variable, such as results.pvalue")
    array = to_host(as_array(pvalues, "pvalues")).astype(np.float64)
    if array.size == 0:
        raise ValueError(f"pvalues has shape {array.shape}: there is nothing to adjust")
    wrong = np.argwhere((array < 0) | (array > 1))
    if len(wrong):
        first = tuple(int(i) for i in wrong[0])
        raise ValueError(
            f"pvalues holds {len(wrong)} values outside 0 to 1, the first {float(array[first])} at position {first}; "
            "pass p-values, not z scores or their logarithms"
        )
    dims = pvalues.dims if isinstance(pvalues, xr.DataArray) else ()
    if dim is not None and dim not in dims:
        raise ValueError(f"dim={dim!r} is not a dim of pvalues, whose dims are {dims}")
    adjusted = adjust_along(array, method, None if dim is None else dims.index(dim))
    if is_pandas(pvalues):
        labelled = pvalues.astype(np.float64)
        labelled[:] = adjusted
        return labelled
    if not isinstance(pvalues, xr.DataArray):
        return adjusted
    name = f"{pvalues.attrs.get('long_name', 'p-value')}, adjusted ({ADJUSTMENTS[method]})"
    return pvalues.copy(data=adjusted).assign_attrs(long_name=name, units="1")
