"""What is installed is the whole package: also what is not Python."""

import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.sweep_parts import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build a wheel from a copy of the sources with kernels added; return the copy and the names of the files."""
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling, of the extra 'test'")
    copy = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "hpfunc", copy / "hpfunc", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_tree/device/kernels/one.cu", "_tree/device/kernels/one.h"):
        file = copy / "hpfunc" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("// a kernel\n", encoding="ascii")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [wheel] = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return copy, set(archive.namelist())


def test_every_file_of_the_package_is_in_the_wheel_and_no_other(built):
    copy, names = built
    there = {path.relative_to(copy).as_posix() for path in (copy / "hpfunc").rglob("*") if path.is_file()}
    others = sorted(name for name in there if not name.endswith(".py"))
    assert {"hpfunc/py.typed", "hpfunc/_tree/device/kernels/one.cu", "hpfunc/_tree/device/kernels/one.h"} <= set(others)
    held = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    assert held == there


def test_the_wheel_holds_the_licence(built):
    _, names = built
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
