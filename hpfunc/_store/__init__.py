"""Results on disk: single files, and the folder of a sweep with one file for each finished checkpoint."""

from hpfunc._store.combine import assemble, concat, is_store, join, open_store, read_part, unlike
from hpfunc._store.folder import Store, StoreKey, locked
from hpfunc._store.read import read_results

__all__ = [
    "Store",
    "StoreKey",
    "assemble",
    "concat",
    "is_store",
    "join",
    "locked",
    "open_store",
    "read_part",
    "read_results",
    "unlike",
]
