"""How the package is built: which way imports point, what importing it costs, what it promises by name."""

from __future__ import annotations

import ast
import fnmatch
import graphlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hpfunc as hp

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hpfunc"

# Data flows down this list, and a room may import only rooms of its own storey or below. A package is one room.
STOREYS = {
    "names that users see": {"__init__"},
    "public rooms": {"activations", "plot", "_plot", "sweeps", "_sweep"},
    "labelled layer": {
        "adjustment",
        "hardest",
        "intervals",
        "multiclass",
        "pairwise",
        "pca",
        "permutation",
        "results",
        "statistic",
    },
    "measuring by name": {"_measure"},
    "labels and files": {"_files", "_labels", "_older_tool", "_store"},
    "models": {"_torch"},
    "statistics on arrays": {"_stats"},
    "trees": {"_tree"},
    "the door": {"_arrays", "_support", "_version"},
}

# The only rooms that know a heavy or optional library, wherever in them it is imported.
ALONE = {
    "torch": {"activations", "_torch"},
    "torchvision": {"activations", "_torch"},
    "matplotlib": {"plot", "_plot"},
    "cupy": {"_arrays", "_tree"},
    "dask": {"sweeps"},
    "distributed": {"sweeps"},
}

# The contract: names, order and kinds of parameters, and defaults. A parameter without a default here may have one.
CONTRACT = """
def collect_activations(model, data, /, *, layers=None, classes=None, samples_per_class=1000, key=None, batch_size=256,
    device=None, store="device", method="hooks", reduce=None, dtype=None, forward=None, max_memory=None,
    progress=False): ...
def hp_statistic(x, y, /, *, metric="euclidean", graph="mst", k=1, exact=True, max_memory=None): ...
def pairwise_hp(activations, labels=None, /, *, pairs=None, metric="euclidean", graph="mst", k=1, exact=True,
    max_memory=None, progress=False, samples_per_class=None, folds=None, repeats=1, key=None, groups=None): ...
def fold_interval(values, /, *, dim="fold", repeat="repeat", level=0.95): ...
def hp_estimate(results, /, *, estimator="friedman-rafsky", clip=True): ...
def bayes_error_bounds(results, /): ...
def at_ceiling(results, /): ...
def hardest_pairs(results, n, /): ...
def bridging_samples(activations, labels=None, /, *, pair=None, metric="euclidean", max_memory=None): ...
def multiclass_hp(activations, labels=None, /): ...
def euclidean_mst(points, /, *, metric="euclidean", exact=True, max_memory=None): ...
def fisher_permutation(before, after, /, *, dim="pair", key=None, n_permutations=9999, paired=True,
    alternative="two-sided", batch_size=None): ...
def fisher_steps(values, /, *, along, dim="pair", key, n_permutations=9999, paired=True, alternative="two-sided",
    batch_size=None): ...
def adjust_pvalues(pvalues, /, *, method="holm", dim=None): ...
def pca2d(points, /, *others, labels=None): ...
def sweep(checkpoints, data, /, *, build, executor=None, store=None, overwrite=False, progress=False, layers=None,
    classes=None, samples_per_class=1000, key=None, batch_size=256, device=None, method="hooks", reduce=None,
    dtype=None, forward=None, pairs=None, metric="euclidean", graph="mst", k=1, exact=True, max_memory=None,
    folds=None, repeats=1, groups=None): ...
def open_results(path, /): ...
def label_pairs(dataset, /): ...
def to_frame(results, /): ...
def to_square(values, /): ...
def read_seed_results(stages, /): ...
def write_seed_results(results, folder, /): ...
def plot_distributions(results, /, *, kind="histogram", by_layer=False, bins=None, over=None, scale="linear",
    title=None, figsize=None, ax=None): ...
def plot_layers(results, /, *, spread="auto", over=None, scale="linear", title=None, figsize=None, ax=None): ...
def plot_pairs(results, /, *, lower=None, triangle="both", order="class", vmin=None, vmax=None, over=None,
    scale="linear", title=None, figsize=None, ax=None): ...
def plot_trajectory(results, /, *, over=None, scale="linear", title=None, figsize=None, ax=None): ...
def plot_pca(results, /, *, tree=None, title=None, figsize=None, ax=None): ...
def plot_fisher(tests, /, *, intervals=None, method="holm", alpha=0.05, title=None, figsize=None, ax=None): ...
def plot_intervals(intervals, /, *, title=None, figsize=None, ax=None): ...
"""


def contract() -> dict[str, inspect.Signature]:
    names: dict[str, object] = {}
    exec(CONTRACT, names)
    return {name: inspect.signature(f) for name, f in names.items() if inspect.isfunction(f)}


def modules() -> dict[str, Path]:
    """Dotted names inside the package (``_tree.prim``; ``_tree`` for its ``__init__``) and their files."""
    files = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return files


def imports(module: str, path: Path) -> set[str]:
    """List everything that a file imports, also inside functions, as absolute dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import; write it in full"
            # ``from hpfunc import pca`` is an import of a module, ``from hpfunc.pca import pca2d`` of a name.
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def arrows() -> set[tuple[str, str]]:
    """List the pairs of modules of the package of which the first imports the second, also inside functions."""
    known = modules()
    found = set()
    for module, path in known.items():
        for name in imports(module, path):
            if name == "hpfunc" or name.startswith("hpfunc."):
                inner = name.removeprefix("hpfunc").removeprefix(".")
                while inner and inner not in known:
                    inner = inner.rpartition(".")[0]
                found.add((module, inner or "__init__"))
    return {(a, b) for a, b in found if a != b}


def room(module: str) -> str:
    return module.partition(".")[0]


def storey(module: str) -> int:
    return next(i for i, rooms in enumerate(STOREYS.values()) if room(module) in rooms)


# ---- which way imports point


def test_every_room_stands_on_a_storey():
    homeless = {room(m) for m in modules()} - set().union(*STOREYS.values())
    assert not homeless, f"give {sorted(homeless)} a storey in this test"


def test_no_import_points_back_up():
    wrong = [f"{a} imports {b}" for a, b in sorted(arrows()) if storey(a) > storey(b)]
    assert not wrong


def folder(module: str) -> str:
    """Return the wing in which a module lies; a package stands for itself."""
    return module if modules()[module].name == "__init__.py" else module.rpartition(".")[0] or module


def assert_no_circle(pairs: set[tuple[str, str]]) -> None:
    graph: dict[str, set[str]] = {}
    for a, b in pairs:
        if a != b:
            graph.setdefault(a, set()).add(b)
    graphlib.TopologicalSorter(graph).prepare()


def test_no_imports_run_in_a_circle():
    assert_no_circle(arrows())
    assert_no_circle({(room(a), room(b)) for a, b in arrows()})


@pytest.mark.parametrize("package", ["_torch", "_tree"])
def test_wings_import_one_way(package):
    inside = {(a, b) for a, b in arrows() if room(a) == room(b) == package}
    # The modules beside the wings are rooms of their own: some stand below all wings, some above.
    wings = {m for m, path in modules().items() if path.name == "__init__.py" and m.startswith(f"{package}.")}

    def place(module: str) -> str:
        return folder(module) if folder(module) in wings else module

    assert wings
    assert_no_circle({(place(a), place(b)) for a, b in inside if a != package})


def test_a_wing_has_at_most_nine_modules():
    rooms: dict[str, set[str]] = {}
    for module, path in modules().items():
        if path.name != "__init__.py":
            rooms.setdefault(module.rpartition(".")[0], set()).add(module)
    crowded = {place: len(held) for place, held in rooms.items() if place and len(held) > 9}
    assert not crowded


def test_a_type_has_a_name_of_its_own():
    places: dict[str, list[str]] = {}
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(module)
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_imports_are_found_at_all():
    # The tests above pass on an empty set of arrows; these are some that must be seen.
    seen = {(room(a), room(b)) for a, b in arrows()}
    assert {("__init__", "pairwise"), ("plot", "_plot"), ("_sweep", "_measure"), ("_measure", "_tree")} <= seen
    assert ("_tree", "_arrays") in seen


@pytest.mark.parametrize("library", ALONE)
def test_a_library_is_known_to_its_rooms_only(library):
    users = {room(m) for m, path in modules().items() if any(n.split(".")[0] == library for n in imports(m, path))}
    assert users <= ALONE[library]


# ---- what importing costs


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout


def test_importing_touches_nothing_heavy():
    code = "import sys, hpfunc; print([m for m in sys.modules])"
    loaded = set(ast.literal_eval(in_a_new_process(code)))
    heavy = {"torch", "torchvision", "matplotlib", "cupy", "scipy.stats", "sklearn", "dask", "distributed", "tqdm"}
    assert not loaded & heavy


def test_a_hidden_bar_loads_nothing():
    code = """
import sys, hpfunc
hpfunc.pairwise_hp([0.0, 1, 2, 9], [0, 0, 1, 1])
print("tqdm" in sys.modules)
"""
    assert in_a_new_process(code).split() == ["False"]


def test_importing_loads_no_package_beyond_those_of_numpy_and_xarray():
    code = """
import sys, numpy, xarray
before = set(sys.modules)
import hpfunc
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""
    assert ast.literal_eval(in_a_new_process(code)) == ["hpfunc"]


# ---- names and signatures


@pytest.mark.parametrize("name", contract())
def test_signature_is_the_one_of_the_contract(name):
    promised, actual = contract()[name].parameters, inspect.signature(getattr(hp, name)).parameters
    empty = inspect.Parameter.empty
    for parameter in promised.values():
        # A positional-only parameter has no name that a caller could use.
        kind_only = parameter.kind is parameter.POSITIONAL_ONLY
        if kind_only:
            mine = list(actual.values())[list(promised).index(parameter.name)]
        else:
            assert parameter.name in actual
            mine = actual[parameter.name]
        assert mine.kind is parameter.kind
        if parameter.default is not empty:
            assert mine.default == parameter.default
    for extra in set(actual) - set(promised):
        mine = actual[extra]
        if mine.kind is not mine.POSITIONAL_ONLY:
            assert mine.kind is mine.KEYWORD_ONLY
            assert mine.default is not empty, f"{extra} is not in the contract, so it must be optional"
    count = [sum(p.kind is p.POSITIONAL_ONLY for p in s.values()) for s in (promised, actual)]
    assert count[0] == count[1]


def test_all_lists_what_users_see():
    assert set(contract()) <= set(hp.__all__)
    assert len(hp.__all__) == len(set(hp.__all__))
    for name in hp.__all__:
        assert hasattr(hp, name)


def test_no_public_function_shares_its_name_with_a_module():
    """Where both are there, `import hpfunc.name as module` binds the function."""
    public = {name for name in hp.__all__ if inspect.isfunction(getattr(hp, name))}
    assert not public & {module.partition(".")[0] for module in modules()}


def test_the_overview_is_one_screen_and_names_every_function():
    lines = hp.__doc__.splitlines()
    assert 10 < len(lines) <= 40
    assert max(map(len, lines)) <= 120
    assert set(re.findall(r"`([a-z_0-9]+)`", hp.__doc__)) - {"help"} == set(hp.__all__)


def test_every_public_function_is_documented_in_numpydoc():
    for name in hp.__all__:
        function = getattr(hp, name)
        if not inspect.isfunction(function):
            continue
        doc = inspect.getdoc(function) or ""
        for section in ("Parameters", "Returns", "Raises", "Examples"):
            assert re.search(rf"^{section}\n-{{{len(section)}}}$", doc, re.M), f"{name} lacks the section {section}"
        assert ">>> " in doc, f"{name} has no example that runs"


def test_every_parameter_is_documented_and_no_other():
    for name in hp.__all__:
        function = getattr(hp, name)
        if not inspect.isfunction(function):
            continue
        section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", inspect.getdoc(function) or "", re.M | re.S)
        assert section, name
        lines = re.findall(r"^(\S[^\n:]*?)\s*(?::.*)?$", section.group(1), re.M)
        documented = [parameter.strip().lstrip("*") for line in lines for parameter in line.split(",")]
        assert sorted(documented) == sorted(inspect.signature(function).parameters), name


# ---- the rest of the house


def test_top_level_holds_only_what_belongs_there():
    allowed = {"hpfunc", "examples", "tests", "benchmarks", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff"}
    ignored = [line.strip().strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip()]
    there = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".") and not any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored)
    }
    assert there == allowed


def test_the_citation_is_one_and_of_this_version():
    words = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for key in ("cff-version", "message", "title", "authors", "version", "license", "references"):
        assert re.search(rf"^{key}:", words, re.M), key
    assert re.search(r"^version: (.+)$", words, re.M).group(1) == hp.__version__


def test_type_hints_are_announced():
    assert (PACKAGE / "py.typed").is_file()
