"""Permutation tests on plain arrays: arrangements, exact sums, counts.

Both tests are one computation. An arrangement selects entries: the pairs whose sign is kept, or the pooled values that
count as ``after``. The permuted difference of means is an increasing affine function of the sum of the selected
entries, so only these sums are computed (a 0/1 matrix times the values of every series) and compared with the sum that
was observed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace, to_host
from hpfunc._support.checks import check_count, check_flag, check_option
from hpfunc._support.keys import check_key, generator

__all__ = [
    "PermutationOptions", "PermutationResult", "arrangement_count", "check_options", "paired_test", "unpaired_test",
]  # fmt: skip

_ALTERNATIVES = ("two-sided", "greater", "less")
_TOLERANCE = 100 * float(np.finfo(np.float64).eps)
# Numbers held at a time by default (32 MiB as float64): enough for BLAS, few enough for the caches.
_BATCH_ELEMENTS = 2**22


class PermutationResult(NamedTuple):
    """Hold one number for each series in the first two fields, which are host arrays."""

    statistic: np.ndarray[Any, Any]
    pvalue: np.ndarray[Any, Any]
    n_permutations: int
    exact: bool
    least: float  # the smallest p-value that the test can give


class PermutationOptions(NamedTuple):
    """Say which arrangements to compare; see `hpfunc.fisher_permutation`."""

    key: int | tuple[int, ...] | None
    n_permutations: int
    alternative: str
    batch_size: int | None


class _Scaled(NamedTuple):
    """Hold both sides of a test, divided by powers of two."""

    before: Any  # (series, n1)
    after: Any  # (series, n2)
    exponent: Any  # (series,) the powers
    largest: Any  # (series,) the largest magnitude of both sides, as scaled


class _Selection(NamedTuple):
    """Hold what a test selects from: a selected sum A has the mean difference ``slope * (A - centre * total)``."""

    values: Any  # (series, n) magnitudes below 2
    observed: Any  # (1, n) the selection that was observed, of zeros and ones
    k: int | None  # how many entries a selection holds; None: any number
    centre: float
    slope: float


def check_options(dim: Any, key: Any, n_permutations: Any, paired: Any, alternative: Any, batch_size: Any) -> None:
    """Raise TypeError or ValueError for an option that no permutation test can take."""
    check_option("alternative", alternative, _ALTERNATIVES)
    if not isinstance(dim, str):
        raise TypeError(f"dim={dim!r} is not the name of a dim; make several dims one with DataArray.stack")
    check_flag("paired", paired)
    if key is not None:
        check_key(key)
    check_count("n_permutations", n_permutations)
    if batch_size is not None:
        check_count("batch_size", batch_size)


def arrangement_count(n: int, k: int | None, limit: int) -> int:
    """Count the distinct selections, up to ``limit + 1``.

    ``2**n`` sign flips for ``k=None``, else ``C(n, k)`` splits. Counting stops at the limit because the whole
    number may have millions of digits.
    """
    if k is None:
        return min(1 << min(n, limit.bit_length() + 1), limit + 1)
    count: int = 1
    for i in range(1, min(k, n - k) + 1):
        count = count * (n - i + 1) // i
        if count > limit:
            return limit + 1
    return count


def paired_test(before: Any, after: Any, options: PermutationOptions) -> PermutationResult:
    """Run the sign-flip test on ``(series, n)`` arrays."""
    xp = namespace(before)
    scaled = _scale(before, after)
    values = scaled.after - scaled.before
    n = values.shape[1]
    return _test(_Selection(values, xp.ones((1, n)), None, 0.5, 2 / n), scaled, options)


def unpaired_test(before: Any, after: Any, options: PermutationOptions) -> PermutationResult:
    """Run the test of splits on pooled ``(series, n1)`` and ``(series, n2)`` arrays."""
    xp = namespace(before)
    n_before, n_after = before.shape[1], after.shape[1]
    n = n_before + n_after
    scaled = _scale(before, after)
    values = xp.concatenate([scaled.before, scaled.after], axis=1)
    observed = xp.concatenate([xp.zeros((1, n_before)), xp.ones((1, n_after))], axis=1)
    return _test(_Selection(values, observed, n_after, n_after / n, n / (n_before * n_after)), scaled, options)


def _scale(before: Any, after: Any) -> _Scaled:
    """Divide each series by a power of two, so that its largest magnitude is below 1 and at least 1/2 (or 0).

    This is exact and keeps differences and sums clear of overflow.
    """
    xp = namespace(before)
    largest = xp.maximum(xp.abs(before).max(axis=1), xp.abs(after).max(axis=1))
    largest, exponent = xp.frexp(largest)
    down = -exponent[:, None]
    return _Scaled(xp.ldexp(before, down), xp.ldexp(after, down), exponent, largest)


def _test(selection: _Selection, scaled: _Scaled, options: PermutationOptions) -> PermutationResult:
    """Count the arrangements at least as extreme as the observed one, and turn the count into a p-value."""
    values, observed, k, centre, slope = selection
    xp = namespace(values)
    n_series, n = values.shape
    count = arrangement_count(n, k, options.n_permutations)
    exact = count <= options.n_permutations
    total = count if exact else options.n_permutations
    batch = min(options.batch_size or _default_batch(n_series, n), total)
    halves = _exact_halves(values)
    middle = centre * _selected_sums(xp.ones((1, n)), halves)[0]
    selected, rest = _selected_sums(observed, halves)[0], _selected_sums(1 - observed, halves)[0]
    n_selected = int(observed.sum())
    statistic = selected / n_selected - rest / max(n - n_selected, 1)
    # The comparison is made between sums, so the tolerance for means is divided by the slope.
    tolerance = _TOLERANCE * xp.maximum(xp.abs(statistic), scaled.largest) / slope
    extreme = xp.zeros(n_series, dtype=np.int64)
    for arrangements in _all_selections(n, k, batch) if exact else _draws(n, k, total, batch, options.key):
        sums = _selected_sums(xp.asarray(arrangements).astype(np.float64), halves)
        sums -= middle
        extreme += xp.count_nonzero(_as_extreme(sums, selected - middle, tolerance, options.alternative), axis=0)
    pvalue = extreme / total if exact else (extreme + 1) / (total + 1)
    with np.errstate(over="ignore"):
        statistic = xp.ldexp(statistic, scaled.exponent)
    least = _least_pvalue(n, k, total, exact=exact, two_sided=options.alternative == "two-sided")
    return PermutationResult(to_host(statistic), to_host(pvalue), total, exact, least)


def _least_pvalue(n: int, k: int | None, total: int, *, exact: bool, two_sided: bool) -> float:
    """Return the smallest p-value that a test can give, whatever the values.

    Two-sided, the opposite arrangement is as extreme as the observed one: all signs flipped, or, for two sides of equal
    size, both exchanged.
    """
    if not exact:
        return 1 / (total + 1)
    mirrored = two_sided and (k is None or 2 * k == n)
    return min(1.0, (1 + mirrored) / total)


def _as_extreme(sums: Any, deviation: Any, tolerance: Any, alternative: str) -> Any:
    """Compare ``(batch, series)`` permuted sums, which it may overwrite, with the observed ones."""
    if alternative == "less":
        return sums <= deviation + tolerance
    if alternative == "greater":
        return sums >= deviation - tolerance
    xp = namespace(sums)
    return xp.abs(sums, out=sums) >= xp.abs(deviation) - tolerance


def _default_batch(n_series: int, n: int) -> int:
    """Choose a batch whose working memory is bounded, or comparable with that of the data."""
    return max(1, max(_BATCH_ELEMENTS, n_series * n) // (4 * (n + n_series)))


def _exact_halves(values: Any) -> Any:
    """Split values of magnitude below 2 into a coarse and a fine part whose sums are free of rounding.

    Each part is a multiple of a power of two so large that no sum of n of them needs more than 53 bits. So
    the matrix product gives the same bits in any order of summation, and the counts depend neither on the
    shape of a batch nor on the BLAS, its threads or the device. What the fine part drops changes a mean by
    less than ``n**2 * 2**-104``, far below the tolerance for any n that fits in memory.

    Returns
    -------
    array (n, 2 * series)
        The coarse parts, then the fine parts.
    """
    xp = namespace(values)
    bits = (values.shape[1] - 1).bit_length()
    coarse = xp.ldexp(xp.rint(xp.ldexp(values, 52 - bits)), bits - 52)
    finest = (52 - bits) + (53 - bits)
    fine = xp.ldexp(xp.rint(xp.ldexp(values - coarse, finest)), -finest)
    return xp.ascontiguousarray(xp.concatenate([coarse, fine]).T)


def _selected_sums(selected: Any, halves: Any) -> Any:
    """Sum what ``(batch, n)`` zeros and ones select: ``(batch, series)`` sums, rounded once."""
    products = selected @ halves
    n_series = halves.shape[1] // 2
    return products[:, :n_series] + products[:, n_series:]


def _all_selections(n: int, k: int | None, batch: int) -> Iterator[np.ndarray[Any, Any]]:
    """Yield every selection once, as ``(at most batch, n)`` arrays of zeros and ones."""
    if k is None:
        for start in range(0, 2**n, batch):
            codes = np.arange(start, min(start + batch, 2**n), dtype=np.int64)
            yield ((codes[:, None] >> np.arange(n)) & 1).astype(np.uint8)
        return
    combinations = itertools.combinations(range(n), k)
    while chunk := list(itertools.islice(combinations, batch)):
        selected = np.zeros((len(chunk), n), dtype=np.uint8)
        np.put_along_axis(selected, np.array(chunk, dtype=np.int64), 1, axis=1)
        yield selected


def _draws(
    n: int, k: int | None, count: int, batch: int, key: int | tuple[int, ...] | None
) -> Iterator[np.ndarray[Any, Any]]:
    """Yield ``count`` random selections in batches, always drawn on the host.

    They are made from the raw words of the bit generator, one after the other, so they depend on the key
    alone: not on the batch, the device, or the release of NumPy.
    """
    assert key is not None, "the public function asks for a key"
    words = generator(key, "sign flips" if k is None else "splits").bit_generator.random_raw
    for start in range(0, count, batch):
        rows = min(batch, count - start)
        yield _random_flips(words, rows, n) if k is None else _random_splits(words, rows, n, k)


def _random_flips(words: Any, rows: int, n: int) -> np.ndarray[Any, Any]:
    """Select every entry with probability one half, by one random bit each."""
    width = -(-n // 64)
    octets = words(rows * width).astype("<u8").view(np.uint8).reshape(rows, 8 * width)
    bits: np.ndarray[Any, Any] = np.unpackbits(octets, axis=1, count=n, bitorder="little")
    return bits


def _random_splits(words: Any, rows: int, n: int, k: int) -> np.ndarray[Any, Any]:
    """Select exactly ``k`` entries: those with the smallest of n random numbers."""
    keys = words(rows * n).reshape(rows, n)
    # The lowest bits hold the position: no two keys are equal, so that exactly k are selected.
    position_bits = np.uint64((n - 1).bit_length())
    keys = ((keys >> position_bits) << position_bits) | np.arange(n, dtype=np.uint64)
    kth = np.partition(keys, k - 1, axis=1)[:, k - 1 : k]
    selected: np.ndarray[Any, Any] = (keys <= kth).astype(np.uint8)
    return selected
