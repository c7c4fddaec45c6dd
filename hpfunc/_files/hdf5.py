"""Look into an HDF5 file before anything reads it, and follow nothing that leads out of it.

HDF5 can hold groups in circles, links and values in other files, and declarations of more than the file has. Results
need none of it: they are datasets in the root group, of numbers or of strings, whose values lie in the file itself.
This module opens the file by h5py's low-level calls, which read one object header each, and refuses the rest.

It is run by a script, without the rest of hpfunc: see `hpfunc._files.apart`.
"""

from __future__ import annotations

import itertools
import math
import zlib
from pathlib import Path
from typing import Any

__all__ = ["MAX_BYTES", "check_hdf5"]

# Two hundred checkpoints of 4,950 pairs, 20 layers and 2 data sets are 2.5 GB.
MAX_BYTES = 16 * 2**30

_MAX_VARIABLES = 1000
_MAX_DIMS = 16
_MAX_CHUNKS = 2**17
_MAX_ATTRIBUTES = 5000
_MAX_ATTRIBUTE_BYTES = 2**20
# All labels together; no label of a result has more than 1,000 characters.
_MAX_TEXT = 2**26

# All variables of one dim together: xarray reads labels when it opens a file, and makes an index of them.
_MAX_LABELS = 2**24
_MAX_NAME = 1000
# Bytes of a packed chunk that are unpacked at a time.
_STEP = 2**20

# What netCDF writes in place of a variable for a dim without labels; it has no values.
_DIM_ONLY = b"This is a netCDF dimension but not a netCDF variable."


def check_hdf5(file: Path) -> None:
    """Raise ValueError unless a file is plain: only numbers and strings, all of them in the file, of bounded size."""
    import h5netcdf
    import h5py

    with h5py.File(file, "r") as stored:
        root = h5py.h5g.open(stored.id, b"/")
        _FileCheck(file.stat().st_size).check_root(root)
    # Read everything once that is read later, so that a crash of the library ends only this process.
    with h5netcdf.File(file, "r") as dataset:
        dict(dataset.attrs)
        for variable in dataset.variables.values():
            dict(variable.attrs)
            if not all(variable.dimensions):
                raise ValueError(f"variable {variable.name!r} has dims without names")


class _FileCheck:
    """Compare the bytes that the objects of a file declare with the bytes that the file can hold."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.declared = self.stored = self.chunks = 0
        self.attributes = self.attribute_bytes = self.text = self.labels = 0

    def check_root(self, root: Any) -> None:
        """Check the root group and the datasets in it."""
        from h5py import h5d, h5l, h5o

        # Other groups keep their links in trees of a kind that HDF5 walks without end where they are circles.
        if not root.get_create_plist().get_link_creation_order():
            raise ValueError("its root group is of a kind that no netCDF library makes; write it with xarray")
        addresses = set()
        self._check_attributes(root, "the file")
        for name in _names(root):
            shown = repr(name.decode(errors="replace"))[:100]
            if len(name) > _MAX_NAME:
                raise ValueError(f"the name of variable {shown} has {len(name):,} bytes; the limit is {_MAX_NAME:,}")
            link = root.links.get_info(name)
            if link.type != h5l.TYPE_HARD:
                raise ValueError(f"{shown} is a link to elsewhere, and results have none")
            if link.u in addresses:
                raise ValueError(f"{shown} is another name of an object that the file holds already")
            addresses.add(link.u)
            if h5o.get_info(root, name).type != h5o.TYPE_DATASET:
                raise ValueError(f"{shown} is a group or a type; results have variables only, and no groups")
            self._check_dataset(h5d.open(root, name), shown)
        if self.stored > self.size:
            raise ValueError(f"its variables declare {self.stored:,} bytes of the file, which has {self.size:,}")

    def _check_dataset(self, dataset: Any, name: str) -> None:
        from h5py import h5d

        plan = dataset.get_create_plist()
        layout = plan.get_layout()
        # This check comes first: to tell the shape of a virtual dataset, HDF5 opens other files.
        if layout not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED) or plan.get_external_count():
            raise ValueError(f"variable {name} keeps its values in other files")
        shape = dataset.get_space().get_simple_extent_dims()
        if shape is None or len(shape) > _MAX_DIMS:
            raise ValueError(f"variable {name} has no shape, or more than {_MAX_DIMS} dims")
        text = _is_text(dataset.get_type(), name)
        item = dataset.get_type().get_size()
        chunk = plan.get_chunk() if layout == h5d.CHUNKED else ()
        # To read one value, HDF5 unpacks the whole chunk that holds it.
        self.declared += item * max(math.prod(shape), math.prod(chunk))
        if self.declared > MAX_BYTES:
            raise ValueError(f"it declares {self.declared:,} bytes; the limit is {MAX_BYTES:,}")
        self._check_attributes(dataset, name)
        if layout == h5d.CONTIGUOUS and math.prod(shape):
            self._check_contiguous(dataset, name, item * math.prod(shape))
        self.labels += math.prod(shape) if len(shape) == 1 and not _is_dim_only(dataset) else 0
        if self.labels > _MAX_LABELS:
            raise ValueError(f"its variables of one dim declare more than {_MAX_LABELS:,} values")
        if layout == h5d.CHUNKED:
            self._check_chunks(dataset, name, shape, chunk, item)
        if text:
            self._check_text(dataset, name, shape)

    def _check_contiguous(self, dataset: Any, name: str, declared: int) -> None:
        if dataset.get_offset() is None:
            if not _is_dim_only(dataset):
                raise ValueError(f"variable {name} has no values in the file")
            return
        self.stored += declared
        if dataset.get_offset() + declared > self.size:
            raise ValueError(
                f"variable {name} declares {declared:,} bytes, and the file ends before; it has {self.size:,}"
            )

    def _check_chunks(self, dataset: Any, name: str, shape: tuple[int, ...], chunk: tuple[int, ...], item: int) -> None:
        """Check that every chunk is there, and that none unpacks to more than a chunk holds."""
        from h5py import h5z

        plan = dataset.get_create_plist()
        filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
        if filters not in ([], [h5z.FILTER_DEFLATE], [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE], [h5z.FILTER_SHUFFLE]):
            raise ValueError(f"variable {name} is packed by the filters {filters}; expected zlib, perhaps with shuffle")
        counts = [-(-size // width) for size, width in zip(shape, chunk, strict=True)]
        self.chunks += math.prod(counts)
        if self.chunks > _MAX_CHUNKS:
            raise ValueError(f"its variables have more than {_MAX_CHUNKS:,} chunks")
        whole = item * math.prod(chunk)
        for place in itertools.product(*map(range, counts)):
            corner = tuple(number * width for number, width in zip(place, chunk, strict=True))
            found = dataset.get_chunk_info_by_coord(corner)
            if found.byte_offset is None or not found.size:
                raise ValueError(f"variable {name} lacks the chunk at {corner}, which would read as a fill value")
            self.stored += found.size
            if self.stored > self.size or found.byte_offset + found.size > self.size:
                raise ValueError(f"the chunks of variable {name} declare more bytes than the file has, {self.size:,}")
            if h5z.FILTER_DEFLATE in filters:
                _check_unpacked(dataset.read_direct_chunk(corner), filters.index(h5z.FILTER_DEFLATE), whole, name)
            elif found.size != whole:
                raise ValueError(f"a chunk of variable {name} has {found.size:,} bytes; it should have {whole:,}")

    def _check_text(self, dataset: Any, name: str, shape: tuple[int, ...]) -> None:
        """Read strings a few at a time, of which each may be as large as the file and all may be the same one."""
        import h5py

        if len(shape) > 1:
            raise ValueError(f"variable {name} holds strings in {len(shape)} dims; labels have one")
        values, count = h5py.Dataset(dataset), math.prod(shape)
        step = max(1, _MAX_TEXT // self.size)
        for start in range(0, count, step):
            part = values[start : start + step] if shape else [values[()]]
            self.text += sum(map(len, part))
            if self.text > _MAX_TEXT:
                raise ValueError(f"variable {name} holds more than {_MAX_TEXT:,} bytes of text")

    def _check_attributes(self, holder: Any, name: str) -> None:
        from h5py import h5a

        count = h5a.get_num_attrs(holder)
        self.attributes += count
        if self.attributes > _MAX_ATTRIBUTES:
            raise ValueError(f"it has more than {_MAX_ATTRIBUTES:,} attributes")
        for index in range(count):
            attribute = h5a.open(holder, index=index)
            shape = attribute.get_space().get_simple_extent_dims() or ()
            self.attribute_bytes += attribute.get_type().get_size() * math.prod(shape)
            if self.attribute_bytes > _MAX_ATTRIBUTE_BYTES:
                raise ValueError(f"the attributes up to those of {name} take more than {_MAX_ATTRIBUTE_BYTES:,} bytes")
            _check_attribute_type(attribute, name)
            if _is_string(attribute.get_type()):
                self.attribute_bytes += _text_bytes(attribute, shape, name)


def _names(group: Any) -> list[bytes]:
    """List the names in a group, in the order in which they lie there."""
    from h5py import h5

    names: list[bytes] = []

    def add(name: bytes) -> bool:
        names.append(name)
        return len(names) > _MAX_VARIABLES

    # In any other order HDF5 would first list all the names that the group declares.
    group.links.iterate(add, order=h5.ITER_NATIVE)
    if len(names) > _MAX_VARIABLES:
        raise ValueError(f"it holds more than {_MAX_VARIABLES:,} variables")
    return names


def _is_string(kind: Any) -> bool:
    """Tell whether a type is of strings of any length."""
    from h5py import h5t

    return bool(kind.get_class() == h5t.STRING and kind.is_variable_str())


def _check_attribute_type(attribute: Any, name: str) -> None:
    """Raise ValueError unless an attribute holds numbers or strings, or says which dims a netCDF variable has."""
    from h5py import h5t

    kind = attribute.get_type().get_class()
    of_dims = {b"DIMENSION_LIST": h5t.VLEN, b"REFERENCE_LIST": h5t.COMPOUND}
    if kind not in (h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM) and kind != of_dims.get(attribute.name):
        shown = repr(attribute.name.decode(errors="replace"))[:100]
        raise ValueError(f"the attribute {shown} of {name} is of a type that no result has; expected numbers or text")


def _is_dim_only(dataset: Any) -> bool:
    """Tell whether a dataset only gives the length of a dim, which has no labels."""
    from h5py import h5a

    return h5a.exists(dataset, b"NAME") and _fixed_text(h5a.open(dataset, b"NAME")).startswith(_DIM_ONLY)


def _is_text(kind: Any, name: str) -> bool:
    """Tell strings from numbers, and raise ValueError for all other types."""
    from h5py import h5t

    if _is_string(kind):
        return True
    if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT) or kind.get_size() > 8:
        raise ValueError(f"variable {name} is of the type {kind.dtype}; expected numbers or strings".replace("\n", " "))
    return False


def _fixed_text(attribute: Any) -> bytes:
    """Read an attribute that is one string of fixed length; give nothing for another one."""
    import numpy as np
    from h5py import h5t

    kind = attribute.get_type()
    if kind.get_class() != h5t.STRING or kind.is_variable_str() or attribute.get_space().get_simple_extent_dims() != ():
        return b""
    value = np.empty((), kind.dtype)
    attribute.read(value)
    return bytes(value.item())


def _text_bytes(attribute: Any, shape: tuple[int, ...], name: str) -> int:
    """Read a string attribute for its length."""
    import numpy as np

    if math.prod(shape) != 1:
        raise ValueError(f"{name} has an attribute of {math.prod(shape)} strings; expected one")
    value = np.empty(shape, object)
    attribute.read(value)
    return len(value.reshape(-1)[0])


def _check_unpacked(chunk: tuple[int, bytes], position: int, whole: int, name: str) -> None:
    """Raise ValueError if a packed chunk holds more bytes than ``whole``: HDF5 unpacks it all before it looks."""
    skipped, packed = chunk
    if skipped >> position & 1:
        return
    unpacker = zlib.decompressobj()
    size = 0
    while packed and size <= whole:
        size += len(unpacker.decompress(packed, _STEP))
        packed = unpacker.unconsumed_tail
    if size + (0 if packed else len(unpacker.flush())) != whole:
        raise ValueError(f"a chunk of variable {name} unpacks to another size than its {whole:,} bytes")
