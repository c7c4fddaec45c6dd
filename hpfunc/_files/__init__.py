"""Read files that somebody else may have made, without trusting what they declare.

A path goes in, a Dataset or the content of a JSON file comes out. What a file declares is compared with what it holds
(`hdf5`, which `apart` runs in another process by `hdf5_script`; `json`) before any library reads it. The modules here
know nothing of results; `_store` and `_older_tool` use them.
"""

from hpfunc._files.apart import check_apart
from hpfunc._files.dataset import open_dataset
from hpfunc._files.json import read_json
from hpfunc._files.path import as_path

__all__ = ["as_path", "check_apart", "open_dataset", "read_json"]
