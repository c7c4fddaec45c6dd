"""What macOS and Windows do otherwise, as far as it can be played through on any system."""

import ast
import os
import pickle
import re
from pathlib import Path

import pytest

from hpfunc._store.folder import part_of
from hpfunc._support import memory
from hpfunc._tree.threads import n_threads
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp
from tests.sweep_parts import FACTORIES, ROOT, make_data, save_checkpoints

DATA = {"a": make_data()}
SOURCES = sorted([*(ROOT / "hpfunc").rglob("*.py"), *(ROOT / "examples").glob("*.py")])


# ---- names of files


ODD_LABELS = ["epoch:1/2", "NUL", "nul", "con.", "a\\b", "C:\\x", "..", "star*?", 'a"<>|', "end ", "end", "é", "É"]


def test_no_label_names_a_file(tmp_path):
    [path] = save_checkpoints(tmp_path, 1).values()
    runs = sweep(dict.fromkeys(ODD_LABELS, path), DATA, build=Mlp, store=tmp_path / "store")
    assert runs.checkpoint.values.tolist() == ODD_LABELS
    assert open_results(tmp_path / "store").load().identical(runs)
    names = {entry.name for entry in (tmp_path / "store").iterdir()} - {".lock", "sweep.json"}
    # Lower case only: a system that does not tell case apart sees as many.
    assert all(re.fullmatch(r"[0-9a-f]{32}\.nc", name) for name in names)
    assert len(names) == len(ODD_LABELS)
    assert part_of(1) != part_of("1")


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("name", ["with spaces", "läyers 层", "x" * 180, "a'b%20~c", "dot.nc", "~"])
def test_any_folder_will_do(tmp_path, name, kind):
    folder = tmp_path / name
    folder.mkdir()
    paths = {label: kind(path) for label, path in save_checkpoints(folder, 2).items()}
    runs = sweep(paths, DATA, build=Mlp, store=kind(folder / "store"))
    assert open_results(kind(folder / "store")).load().identical(runs)
    runs.to_netcdf(folder / "results.nc")
    assert open_results(kind(folder / "results.nc")).identical(runs)


# ---- open files


def open_here():
    """List the files that this process has open."""
    folder = Path("/proc/self/fd")
    found = set()
    for entry in folder.iterdir():
        try:
            found.add(entry.readlink())
        except FileNotFoundError:
            # The descriptor by which the folder itself was listed.
            continue
    return found


@pytest.fixture
def no_replacing_of_open_files(monkeypatch):
    """Windows does not replace a file that is open."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("which files are open is not told here")
    pytest.importorskip("dask", reason="without it nothing is lazy")
    replace = Path.replace

    def refuse_open(self, target):
        if {self.resolve(), Path(target).resolve()} & open_here():
            raise PermissionError(13, "Access is denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_open)


@pytest.mark.usefixtures("no_replacing_of_open_files")
def test_lazy_results_that_are_closed_are_no_obstacle(tmp_path):
    paths, store = save_checkpoints(tmp_path, 3), tmp_path / "store"
    sweep(paths, FACTORIES, build=Mlp, store=store)
    results = open_results(store)
    with pytest.raises(OSError, match=r"what it holds is good.*close what open_results gave"):
        sweep(paths, FACTORIES, build=Mlp, store=store, overwrite=True, samples_per_class=9)
    results.close()
    assert not {path for path in open_here() if path.suffix == ".nc"}
    runs = sweep(paths, FACTORIES, build=Mlp, store=store, overwrite=True, samples_per_class=9)
    with open_results(store) as results, pickle.loads(pickle.dumps(results)) as copy:
        assert copy.load().identical(runs)
    assert not {path for path in open_here() if path.suffix == ".nc"}


@pytest.mark.usefixtures("no_replacing_of_open_files")
def test_a_file_of_results_can_be_written_over_after_it_was_read(tmp_path):
    [path] = save_checkpoints(tmp_path, 1).values()
    runs = sweep({0: path}, DATA, build=Mlp)
    runs.to_netcdf(tmp_path / "runs.nc")
    read = open_results(tmp_path / "runs.nc")
    assert tmp_path / "runs.nc" not in open_here()
    read.to_netcdf(tmp_path / "runs.nc")
    assert open_results(tmp_path / "runs.nc").identical(runs)


# ---- what the system does not tell


def test_memory_is_guessed_where_the_system_does_not_tell(monkeypatch):
    def none(self, *args, **options):
        raise FileNotFoundError(2, "No such file", str(self))

    monkeypatch.setattr(Path, "read_text", none)
    assert memory.free_bytes() is None
    if hasattr(os, "sysconf"):
        # As on macOS.
        assert memory.max_bytes(None) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory.max_bytes(None) == 2 * 2**30


def test_processors_are_counted_where_none_are_assigned(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert n_threads() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert n_threads() == 1


# ---- sources

POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def at_import(tree):
    """List what runs when a module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            yield node
            yield from at_import(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_source_needs_no_posix_and_names_its_encodings(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in at_import(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert not POSIX_ONLY & set(names), f"{path}:{node.lineno}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and text_of_a_file(node):
            assert "encoding" in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


def text_of_a_file(call):
    """Whether a call opens, reads or writes a file as text."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open":
        modes = [value.value for value in call.args if isinstance(value, ast.Constant)]
        binary = {"os.open", "h5a.open", "h5d.open", "h5py.h5g.open"}
        return ast.unparse(call.func) not in binary and not any("b" in str(mode) for mode in modes)
    return name in ("read_text", "write_text")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_can_be_imported_by_the_processes_that_it_starts(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [node for node in tree.body if isinstance(node, ast.If)]
    assert [ast.unparse(guard.test) for guard in guards] == ["__name__ == '__main__'"]
    # Nothing else runs: imports, constants and definitions only.
    others = [node for node in tree.body if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)]
    assert others == []
