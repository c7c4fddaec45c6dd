"""Keep and read results on disk.

`folder` writes and compares the files of a sweep's store, one for each finished checkpoint, under a `lock`; `read`
gives one file as a labelled Dataset; `combine` joins the checkpoints of a store. Imports run from `combine` to `read`
and `folder`, and from there to `_files` and `_labels`.
"""

from hpfunc._store.combine import assemble, concat, is_store, join, layout_difference, open_store, read_part
from hpfunc._store.folder import Store, StoreKey, locked
from hpfunc._store.read import read_results

__all__ = [
    "Store",
    "StoreKey",
    "assemble",
    "concat",
    "is_store",
    "join",
    "layout_difference",
    "locked",
    "open_store",
    "read_part",
    "read_results",
]
