"""Files that mean harm are refused: in words, in little memory, and without running anything."""

import contextlib
import resource
from pathlib import Path

import pytest

from hpfunc.results import open_results, read_seed_results

# No test may fill the disk, whatever the library does with what is declared.
MOST_WRITTEN = 2 * 10**8
MOST_BYTES = 300 * 10**6


@contextlib.contextmanager
def refused(words, error=ValueError):
    """Expect an error in bounded memory; `benchmarks.promises` measures the time."""
    with contextlib.suppress(OSError):
        # From here on the peak is counted anew.
        Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    with pytest.raises(error, match=words) as caught:
        yield
    assert status("VmHWM") - before < MOST_BYTES
    assert len(str(caught.value)) < 1500


def status(name):
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


@pytest.fixture(autouse=True)
def _nothing_else_is_touched(tmp_path):
    """Everything happens in a folder inside the folder that is watched."""
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"in"}


@pytest.fixture(autouse=True)
def _the_disk_is_not_filled():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "in"
    inner.mkdir()
    return inner


# ---- JSON of results


def entry(layer="initial", value="0.5"):
    return f'{{"(0, 1) train": {{"Euclid {layer}": {value}}}}}'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        (entry(value="NaN"), "NaN"),
        (entry(value="-Infinity"), "Infinity"),
        (entry(value="1e999"), "is not a number"),
        (entry(value="9" * 100_000), "older tool"),
        ('{"(0, 1) train": {}, "(0, 1) train": {}}', "twice"),
        ('{"(0, 1) train": [[]]}', "expected an object"),
        (entry("../../x"), "slash"),
        (entry("a/b"), "slash"),
        (entry("a\\u0000"), "NUL"),
        (entry("x" * 10_000), "10,000 characters"),
        (entry().replace("train", "x" * 10_000), "10,000 characters"),
        (entry().replace("(0, 1)", f"('{'x' * 10_000}', 'b')"), "10,000 characters"),
        (entry().replace("train", "tr\\u0000"), "NUL"),
        (f'{{"{"(" * 50_000}": 1}}', "not of the form"),
        (f'{{"({"a, " * 50_000}": 1}}', "not of the form"),
        ("\ufeff{}", "older tool"),
        (b"\xff\xfe{}", "older tool"),
        (" " * 2**25 + "{}", "more than 16,777,216 bytes"),
    ],
)
def test_json_that_is_no_result_is_refused(folder, content, words):
    path = folder / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with refused(words):
        read_seed_results({0: path})


def test_json_from_a_device_without_end_is_refused():
    if not Path("/dev/zero").exists():
        pytest.skip("there is no /dev/zero")
    with refused("more than"):
        read_seed_results({0: "/dev/zero"})


# ---- stores


@pytest.mark.parametrize(
    "label", ['"../../x"', '"/etc/passwd"', '"a/b"', '"' + "x" * 10_000 + '"', "1" * 4000, "[" * 100_000]
)
def test_lists_of_a_store_lead_nowhere(folder, label):
    (folder / "sweep.json").write_text(f'{{"hpfunc_store": 1, "checkpoints": [{label}]}}')
    with refused(r"has not finished a checkpoint yet|sweep\.json"):
        open_results(folder)
