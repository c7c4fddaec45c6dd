"""Files from outside: what they declare is checked before any of it is read.

Every format says how large its arrays are before it gives them, and a file of a few bytes can say anything. So the
declared sizes are added up first (`check_declared`), and only what passes is handed to the libraries that read it.
"""

from hpfunc._files.dataset import open_dataset
from hpfunc._files.json import read_json
from hpfunc._files.limits import LARGEST, check_declared
from hpfunc._files.path import check_path

__all__ = ["LARGEST", "check_declared", "check_path", "open_dataset", "read_json"]
