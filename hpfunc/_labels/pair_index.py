"""Select a pair of classes in either order: an xarray index over ``class_a`` and ``class_b``."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.indexes import PandasIndex

if TYPE_CHECKING:
    from typing import Self

from hpfunc._labels.classes import ClassArray, as_classes, as_query, listed, read_only

__all__ = ["PairIndex"]


class PairIndex(xr.Index):
    """Index the two class coords of one dim so that the order of the two does not matter.

    Attach it with `label_pairs`. Then, along the dim of the pairs (``pair``):

    - ``sel(class_a=3, class_b=8)`` and ``sel(class_a=8, class_b=3)`` are the same entry. The scalar coords
      that remain say in which order the pair is stored.
    - With lists, ``sel(class_a=[3, 4], class_b=[7, 8])`` selects every pair of a class of one list and a different
      class of the other, each once; with DataArrays, it selects one pair for each of their elements.
    - ``sel(class_a=3)`` and ``sel(class_a=[3, 4])`` select the entries stored with that ``class_a``, not those
      that have it as ``class_b``; the dim stays.
    - A class or pair that is missing, or a pair that is stored twice, raises a ``KeyError`` that names it.
    - As with a MultiIndex, ``assign_coords`` of one class alone and ``query(pair=...)`` raise a
      ``ValueError``: assign both classes, or call ``drop_indexes(["class_a", "class_b"])`` before.
    - ``to_dataframe`` leaves out coords that have an index and are no dim: `to_frame` has the classes as columns.

    Alignment (arithmetic, ``xr.align``, ``xr.concat`` over another dim) matches pairs in the order in which
    they are stored, since ``n_a`` and ``n_b`` depend on it.
    """

    def __init__(
        self,
        first: ClassArray,
        second: ClassArray,
        names: tuple[Hashable, Hashable],
        dim: Hashable,
        dtypes: tuple[np.dtype[Any], np.dtype[Any]] | None = None,
    ):
        self.first = read_only(first)
        self.second = read_only(second)
        self.names = names
        self.dim = dim
        # The coords keep the integer dtypes that the caller passed.
        self.dtypes = (first.dtype, second.dtype) if dtypes is None else dtypes

    # ---- constructing the index and its variables

    @classmethod
    def from_variables(cls, variables: Mapping[Any, xr.Variable], *, options: Mapping[str, Any]) -> Self:
        """Index two one-dimensional variables of classes on one dim."""
        if options:
            raise ValueError(f"PairIndex takes no options; received {sorted(options)}")
        if len(variables) != 2:
            raise ValueError(f"PairIndex needs two coords, the classes of a pair; received {list(variables)}")
        names = tuple(variables)
        dims = {variable.dims for variable in variables.values()}
        if len(dims) != 1 or len(next(iter(dims))) != 1:
            raise ValueError(f"the coords {names} have the dims {sorted(map(str, dims))}; expected one dim for both")
        [dim] = next(iter(dims))
        first, second = (as_classes(variable.values, name) for name, variable in variables.items())
        if first.dtype.kind != second.dtype.kind and first.size:
            raise TypeError(
                f"{names[0]} has dtype {first.dtype} and {names[1]} {second.dtype}; expected integers in "
                "both or strings in both"
            )
        if first.size and np.any(first == second):
            at = int(np.argmax(first == second))
            raise ValueError(f"entry {at} along {dim!r} pairs class {first[at].item()!r} with itself")
        given = [variable.dtype for variable in variables.values()]
        dtypes = [old if old.kind in "iu" else new.dtype for old, new in zip(given, (first, second), strict=True)]
        return cls(first, second, (names[0], names[1]), dim, (dtypes[0], dtypes[1]))

    def create_variables(self, variables: Mapping[Any, xr.Variable] | None = None) -> dict[Any, xr.Variable]:
        """Make the two coords, with the attrs and encodings of ``variables``."""
        coords = {}
        for name, values, dtype in zip(self.names, (self.first, self.second), self.dtypes, strict=True):
            old = (variables or {}).get(name)
            kept = {} if old is None else {"attrs": old.attrs, "encoding": old.encoding}
            coords[name] = xr.Variable((self.dim,), read_only(values.astype(dtype, copy=False)), **kept)
        return coords

    def to_pandas_index(self) -> pd.MultiIndex:
        """Give the pairs in the order in which they are stored."""
        return self._stored

    @cached_property
    def _stored(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_arrays([self.first, self.second], names=self.names)

    @cached_property
    def _known(self) -> ClassArray:
        return np.unique(np.concatenate([self.first, self.second]))

    def _take(self, positions: Any) -> Self:
        return type(self)(self.first[positions], self.second[positions], self.names, self.dim, self.dtypes)

    # ---- selecting

    def sel(self, labels: dict[Any, Any], method: Any = None, tolerance: Any = None) -> Any:
        """Find the pairs asked for; see the class."""
        if method is not None or tolerance is not None:
            raise ValueError(
                f"{' and '.join(map(str, labels))} cannot be selected with method= or tolerance=; select the "
                "pair in a sel() of its own"
            )
        for name, label in labels.items():
            if isinstance(label, slice):
                raise TypeError(f"{name}={label} is a slice; pass a class or a list of classes")
        positions: Any
        if len(labels) == 1:
            [(name, label)] = labels.items()
            positions = self._holding(name, np.atleast_1d(as_query(label)))
        else:
            first, second = (labels[name] for name in self.names)
            if any(isinstance(label, (xr.DataArray, xr.Variable)) and label.ndim for label in (first, second)):
                positions = xr.apply_ufunc(self._find, first, second, join="exact")
                if isinstance(positions, xr.DataArray):
                    positions = positions.drop_vars([n for n in self.names if n in positions.coords])
            else:
                positions = self._between(as_query(first), as_query(second))
        # In an index of 0, 1, 2, ... labels are positions, so its `sel` returns them in the form that xarray expects.
        return PandasIndex(pd.RangeIndex(self.first.size), self.dim).sel({self.dim: positions})

    def _holding(self, name: Hashable, classes: ClassArray) -> np.ndarray[Any, Any]:
        """Find each of ``classes`` in the coord ``name``, class by class."""
        self._check_known(classes)
        here, other = (self.first, self.second) if name == self.names[0] else (self.second, self.first)
        found = [np.flatnonzero(here == label) for label in classes]
        for label, positions in zip(classes, found, strict=True):
            if not positions.size:
                partners = listed(np.unique(other)) if other.size else "none"
                other_name = self.names[1] if name == self.names[0] else self.names[0]
                raise KeyError(
                    f"no pair has {name}={label.item()!r}; it stands only as {other_name} (whose classes "
                    f"are {partners}). With both classes given, either order selects the pair"
                )
        return np.concatenate(found) if found else np.zeros(0, dtype=np.intp)

    def _between(self, first: ClassArray, second: ClassArray) -> Any:
        """Find the pair of two classes, or every pair between two lists of them, each once."""
        if first.ndim == second.ndim == 0:
            return int(self._find(first, second))
        first, second = np.atleast_1d(first), np.atleast_1d(second)
        if first.ndim > 1 or second.ndim > 1:
            raise ValueError("classes to select are one label or a flat list of labels")
        grid = np.repeat(first, second.size), np.tile(second, first.size)
        distinct = grid[0] != grid[1]
        if not np.any(distinct) and distinct.size:
            raise KeyError(f"a pair holds two different classes; received {first.tolist()} and {second.tolist()}")
        return pd.unique(self._find(grid[0][distinct], grid[1][distinct]))

    def _find(self, first: ClassArray, second: ClassArray) -> np.ndarray[Any, Any]:
        """Find each pair of classes, in whichever order it is stored."""
        first, second = np.broadcast_arrays(np.asarray(first), np.asarray(second))
        self._check_known(first)
        self._check_known(second)
        if not self._stored.is_unique:
            raise KeyError(f"{self._twice()}; select by position (isel), or one class at a time")
        pairs = first.ravel(), second.ravel()
        # Without any pair, pandas could not tell the dtype.
        if not pairs[0].size:
            return np.zeros(first.shape, dtype=np.intp)
        forward, backward = (
            self._stored.get_indexer(pd.MultiIndex.from_arrays(arrays)) for arrays in (pairs, pairs[::-1])
        )
        for at in np.flatnonzero((forward < 0) == (backward < 0))[:1]:
            a, b = pairs[0][at].item(), pairs[1][at].item()
            if a == b:
                raise KeyError(f"a pair holds two different classes; received {a!r} twice")
            stands = "is not among" if forward[at] < 0 else "stands in both orders among"
            raise KeyError(f"the pair of class {a!r} and class {b!r} {stands} the {self.first.size} pairs here")
        found: np.ndarray[Any, Any] = np.maximum(forward, backward).reshape(first.shape)
        return found

    def _check_known(self, labels: ClassArray) -> None:
        known = self._known
        integers = known.dtype.kind in "iu"
        fits = labels.dtype.kind in "iu" if integers else labels.dtype.kind == "U"
        unknown = labels[~np.isin(labels, known)] if fits else labels
        if unknown.size:
            kind = "integers" if integers else "strings"
            raise KeyError(
                f"class {unknown.ravel()[0].item()!r} is not known; the classes ({kind}) are {listed(known)}"
            )

    def _twice(self) -> str:
        at = int(np.flatnonzero(self._stored.duplicated())[0])
        pair = self.first[at].item(), self.second[at].item()
        return f"the pair {pair!r} stands more than once along {self.dim!r}"

    def isel(self, indexers: Mapping[Any, Any]) -> Self | None:
        """Return an index of the selected entries, or None where the selection drops the dim."""
        indexer = indexers[self.dim]
        if isinstance(indexer, xr.Variable):
            if indexer.dims != (self.dim,):
                return None
            indexer = indexer.values
        if not isinstance(indexer, slice):
            indexer = np.asarray(indexer)
            if indexer.ndim != 1:
                return None
            if not indexer.size:
                indexer = indexer.astype(np.intp)
        return self._take(indexer)

    # ---- combining indexes

    @classmethod
    def concat(cls, indexes: Sequence[Self], dim: Hashable, positions: Iterable[Iterable[int]] | None = None) -> Self:
        """Put one index after the other."""
        kinds = {index.first.dtype.kind for index in indexes if index.first.size}
        if len(kinds) > 1:
            raise TypeError("cannot concatenate pairs of integer classes with pairs of string classes")
        some = [index for index in indexes if index.first.size] or indexes[:1]
        first = np.concatenate([index.first for index in some])
        second = np.concatenate([index.second for index in some])
        joint = [
            np.result_type(*(index.dtypes[at] for index in some)) if array.dtype.kind in "iu" else array.dtype
            for at, array in enumerate((first, second))
        ]
        whole = cls(first, second, indexes[0].names, dim, (joint[0], joint[1]))
        if positions is None:
            return whole
        return whole._take(np.argsort(np.concatenate([np.asarray(list(p), dtype=np.intp) for p in positions])))

    def equals(self, other: xr.Index, *, exclude: frozenset[Hashable] | None = None) -> bool:
        """Tell whether the other index holds the same pairs in the same positions."""
        return (
            isinstance(other, PairIndex)
            and np.array_equal(self.first, other.first)
            and np.array_equal(self.second, other.second)
        )

    def join(self, other: Self, how: Any = "inner") -> Self:
        """Keep the pairs in both indexes (inner), or those of this one and then the rest of the other (outer)."""
        positions = other._positions_of(self)
        if how == "inner":
            return self._take(positions >= 0)
        return self.concat([self, other._take(self._positions_of(other) < 0)], self.dim)

    def reindex_like(self, other: Self) -> dict[Hashable, Any]:
        """Find the positions of the pairs of ``other`` in this index, -1 for those that it lacks."""
        return {self.dim: self._positions_of(other)}

    def _positions_of(self, other: PairIndex) -> np.ndarray[Any, Any]:
        for index in (self, other):
            if not index._stored.is_unique:
                raise ValueError(f"cannot align: {index._twice()}")
        if not self.first.size or not other.first.size:
            return np.full(other.first.size, -1, dtype=np.intp)
        if self.first.dtype.kind != other.first.dtype.kind:
            raise TypeError("cannot align pairs of integer classes with pairs of string classes")
        turned = self._stored.get_indexer(pd.MultiIndex.from_arrays([other.second, other.first]))
        for at in np.flatnonzero(turned >= 0)[:1]:
            a, b = other.first[at].item(), other.second[at].item()
            raise ValueError(
                f"cannot align: the pair of class {a!r} and class {b!r} stands in one order here and in the "
                "other there, and n_a and n_b depend on it; compute both with the classes in the same order"
            )
        positions: np.ndarray[Any, Any] = self._stored.get_indexer(other._stored)
        return positions

    # ---- other operations of xarray on an index

    def roll(self, shifts: Mapping[Any, int]) -> Self:
        """Roll the pairs as the values are rolled."""
        shift = shifts[self.dim]
        return type(self)(np.roll(self.first, shift), np.roll(self.second, shift), self.names, self.dim, self.dtypes)

    def rename(self, name_dict: Mapping[Any, Hashable], dims_dict: Mapping[Any, Hashable]) -> Self:
        """Put the index under new names."""
        names = name_dict.get(self.names[0], self.names[0]), name_dict.get(self.names[1], self.names[1])
        return type(self)(self.first, self.second, names, dims_dict.get(self.dim, self.dim), self.dtypes)

    def __repr__(self) -> str:
        return f"<PairIndex {self.names[0]}, {self.names[1]} on {self.dim}: {self.first.size} pairs>"

    def _repr_inline_(self, max_width: int) -> str:
        return f"PairIndex ({self.first.size} pairs, either order)"[:max_width]
