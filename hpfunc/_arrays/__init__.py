"""Let any array in, and give plain points, labels and orders out.

Every public function that takes data passes it through this wing. In flow arrays of any library and labelled containers
(xarray, pandas, masked arrays). Out flow NumPy arrays for data on the host and CuPy arrays for data on a CUDA device,
which share memory with the input through DLPack where the layout allows it. What a container says of its entries
(masks, dims, coords, an index, names of columns) is honoured or refused, and never dropped.

`points` and `labels` import `containers`, which imports `tensors`; `on_disk` reads points that are not in memory in
another order, and `types` names the arrays' types. Nothing here imports another wing. A framework that the caller never
imported is never imported here either: no array of it can exist.
"""

from hpfunc._arrays.containers import align_features, align_labels, is_pandas, sample_dim, samples_first
from hpfunc._arrays.labels import Label, as_label, as_labels, label_array, stack_labels
from hpfunc._arrays.on_disk import RowsInOrder, is_on_disk
from hpfunc._arrays.points import as_array, as_points, check_directions, check_finite
from hpfunc._arrays.tensors import from_tensor, is_tensor, namespace, on_device, to_host

__all__ = [
    "Label", "RowsInOrder", "align_features", "align_labels", "as_array", "as_label", "as_labels", "as_points",
    "check_directions", "check_finite", "from_tensor", "is_on_disk", "is_pandas", "is_tensor", "label_array",
    "namespace", "on_device", "sample_dim", "samples_first", "stack_labels", "to_host",
]  # fmt: skip
