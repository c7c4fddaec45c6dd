"""What is installed is the whole package: also what is not Python."""

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes

import pytest
from packaging.requirements import Requirement

from tests.sweep_parts import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build a wheel from a copy of the sources with kernels added; return the copy and the wheel."""
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
    return copy, wheel


@pytest.fixture(scope="module")
def names(built):
    """List the files of the wheel."""
    with zipfile.ZipFile(built[1]) as archive:
        return set(archive.namelist())


def test_every_file_of_the_package_is_in_the_wheel_and_no_other(built, names):
    copy, _ = built
    there = {path.relative_to(copy).as_posix() for path in (copy / "hpfunc").rglob("*") if path.is_file()}
    others = sorted(name for name in there if not name.endswith(".py"))
    assert {"hpfunc/py.typed", "hpfunc/_tree/device/kernels/one.cu", "hpfunc/_tree/device/kernels/one.h"} <= set(others)
    held = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    assert held == there


def test_the_wheel_holds_the_licence(names):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


EXTRAS = ("torch", "fx", "cuda12", "cuda13", "distributed", "examples", "all", "test-core", "test")


def needs(requirement: Requirement, extra: str) -> bool:
    """Tell whether an extra brings what is required."""
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def test_no_extra_asks_for_another_torch_than_a_user_may_have_built(built, names):
    [file] = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(built[1]) as archive:
        stated = message_from_bytes(archive.read(file)).get_all("Requires-Dist")
    requirements = [Requirement(text) for text in stated]
    asked = [requirement for requirement in requirements if requirement.name == "torch"]
    assert asked
    for build in ("2.10.0+cpu", "2.13.0+rocm7.1", "2.99.0a0+git1234567"):
        assert all(requirement.specifier.contains(build, prereleases=True) for requirement in asked)
    assert all(requirement.marker is not None for requirement in asked)
    # Each torchvision fits one torch alone, so the pages say how the extras that bring it leave torch in place.
    brought = {extra for extra in EXTRAS for r in requirements if r.name == "torchvision" and needs(r, extra)}
    assert brought == {"fx", "examples", "all", "test"}
