"""Results on disk: single files, and the folder of a sweep with one file for each finished checkpoint."""

from hpfunc._store.combine import assemble, concat, is_store, join, open_store, read_part, unlike
from hpfunc._store.folder import Key, Label, Store, locked
from hpfunc._store.read import read_results

__all__ = [
    "Key",
    "Label",
    "Store",
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
