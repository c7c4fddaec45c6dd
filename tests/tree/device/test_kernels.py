"""The CUDA kernels: they compile for GPUs that are not here, and run on the host behind a header."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hpfunc as hp
from hpfunc._tree.device import compiler, trees
from hpfunc._tree.device.compiler import KERNELS, source
from tests.cuda_host import HostModule, needs_compiler
from tests.cuda_host.nvrtc import compile_for, ptx_of
from tests.cuda_host.stand_in import RawModule, ndarray, stand_in

ROOT = Path(__file__).parents[3]
# Types of the table and of the points, as they occur: float32 points are measured in float64 the second time.
TYPES = (("float", "float"), ("double", "float"), ("double", "double"))
# Threads of a team and quads of vertices for each, as `trees` chooses them; 128 and 256 run as 512.
SHAPES = ((32, 1), (512, 1), (512, 2), (512, 4), (512, 16))
# Registers a thread may take, by quads of vertices. Up to 80, three blocks of 256 threads fit a multiprocessor; a
# block of 512 threads has one to itself with anything from 65 registers to the 128 that there are.
REGISTERS = {1: 80, 2: 128, 4: 128, 16: 128}
# Bytes that are stored for want of registers: a few that a kernel needs once. Sixteen quads of float64 bounds keep the
# state of a thread in its own memory anyway.
SPILLED = {1: 96, 2: 0, 4: 0, 16: 512}


def macros(name):
    """Return every way in which hpfunc compiles a kernel."""
    if name == "prim":
        more = [(f"-DTEAM={team}", f"-DQUADS={quads}") for team, quads in SHAPES]
    else:
        more = [()]
    ways = [(f"-DREAL={real}", f"-DPOINT={point}", *extra) for (real, point), extra in itertools.product(TYPES, more)]
    return [*ways, ("-DREAL=double", "-DPOINT=double", "-DTHIN")] if name == "table" else ways


def test_the_shapes_are_those_that_prim_chooses():
    chosen = {trees.team_for(places) for places in range(4, trees.MOST_PLACES + 1, 4)}
    assert {(32, 1), (512, trees.MOST_PLACES // 2048)} <= chosen
    assert set(SHAPES) <= chosen


# Kernels of one text are compiled together.
TEXTS = sorted({files: name for name, files in KERNELS.items()}.values())


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("name", TEXTS)
def test_every_kernel_compiles_for_gpus_and_takes_few_registers(name, architecture):
    for defines in macros(name):
        quads = int(defines[-1].partition("=")[2]) if name == "prim" else 1
        for kernel, usage in compile_for(source(name), defines, architecture).items():
            assert usage.registers <= REGISTERS[quads], (kernel, defines, usage)
            assert usage.spilled <= SPILLED[quads], (kernel, defines, usage)


@pytest.mark.parametrize("name", TEXTS)
def test_every_kernel_compiles_for_gpus_without_redux(name):
    compile_for(source(name), macros(name)[0], "sm_75")


@pytest.mark.parametrize("name", TEXTS)
def test_no_float32_is_flushed_when_it_is_widened(name):
    """CuPy compiles with -ftz=true, under which a plain conversion becomes ``cvt.ftz.f64.f32``."""
    widening = 0
    for defines in macros(name):
        ptx = ptx_of(source(name), defines, "compute_80")
        assert "cvt.ftz.f64.f32" not in ptx, defines
        widening += "cvt.f64.f32" in ptx
    # Those of tables take float32 points only to products.
    assert widening or name in ("table", "radii")
    plain = 'extern "C" __global__ void k(const float *x, double *y) { *y = *x; }'
    assert "cvt.ftz.f64.f32" in ptx_of(plain, (), "compute_80")


def test_rows_are_loaded_16_bytes_at_a_time_and_minima_found_by_redux():
    for defines in macros("prim"):
        ptx = ptx_of(source("prim"), defines, "compute_80")
        assert re.search(r"ld\.global(\.nc)?\.v(4\.[bfu]32|2\.[bfu]64)", ptx), defines
        assert "redux.sync.min.u32" in ptx
    assert "redux" not in ptx_of(source("prim"), macros("prim")[0], "compute_75")


def test_a_text_with_a_mistake_does_not_compile():
    with pytest.raises(ValueError, match="undefined_thing"):
        compile_for('extern "C" __global__ void k(float *x) { x[0] = undefined_thing; }', (), "sm_80")


def test_every_text_is_a_page_that_says_what_it_does():
    folder = Path(compiler.__file__).parent / "kernels"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert set(texts) == set().union(*KERNELS.values())
    for name, text in texts.items():
        assert len(text.splitlines()) <= 120, name
        header = text.partition("\n\n")[0]
        assert text.startswith("// "), name
        if name.endswith(".cu"):
            assert "Memory:" in header, name
            assert "Limit" in header, name


# ---- on the host

TOTAL = """
extern "C" __global__ void __launch_bounds__(64) total(const float *x, int n, float *out) {
  extern __shared__ float part[];
  part[threadIdx.x] = 0;
  if (threadIdx.x < n) part[threadIdx.x] = x[threadIdx.x];
  BARRIER
  float sum = 0;
  for (int i = 0; i < 64; ++i) sum += part[i];
  out[threadIdx.x] = sum;
}
"""


def total(barrier, n=None):
    x, out = np.arange(50, dtype=np.float32), np.zeros(64, np.float32)
    HostModule(TOTAL, (f"-DBARRIER={barrier}",)).launch(
        "total", (1,), (64,), (x, np.int32(50) if n is None else n, out), shared_mem=256, seed=3
    )
    return out


@needs_compiler
def test_threads_share_memory_and_wait_for_one_another():
    assert (total("__syncthreads();") == 49 * 25).all()


@needs_compiler
def test_a_missing_barrier_shows():
    assert (total("") != 49 * 25).any()


@needs_compiler
def test_a_barrier_that_some_threads_do_not_reach_is_an_error():
    with pytest.raises(RuntimeError, match="a barrier that not all threads reach"):
        total("if (threadIdx.x < 3) __syncthreads();")


@needs_compiler
def test_an_argument_of_another_size_is_an_error():
    with pytest.raises(TypeError, match=r"\[8, 4, 8\]"):
        total("__syncthreads();", n=50)


def tree_of_one_cloud(points, seed):
    """Return the cross edges and status that the engine for CuPy arrays finds, in an order of threads."""
    RawModule.seed = seed
    x = np.random.default_rng(1).normal(size=(points, 40)).astype(np.float32)
    x[::7] = x[1]  # ties
    x[3] = np.nextafter(x[2], np.float32(9))
    labels = np.arange(points) % 2
    with stand_in() as cupy:
        return [v.values for v in hp.pairwise_hp(cupy.asarray(x + labels[:, None]), labels).data_vars.values()]


@needs_compiler
@pytest.mark.parametrize("points", [33, 140])
def test_the_order_of_threads_does_not_show(points):
    first = tree_of_one_cloud(points, 0)
    for seed in (100, 200, 300):
        for one, other in zip(first, tree_of_one_cloud(points, seed), strict=True):
            np.testing.assert_array_equal(one, other)


BARRIERS = [m.start() for m in re.finditer(r"( +)(team_sync|__syncthreads)\(\);", source("prim"))]

WITHOUT_A_BARRIER = """
import sys
import numpy as np
import hpfunc as hp
from hpfunc._tree.device import compiler, pairs
from tests.cuda_host.stand_in import RawModule, stand_in

text, place = compiler.source("prim"), int(sys.argv[1])
whole, without = compiler.source, text[:place] + text[text.index(";", place) :]
# Degrees pass through shared memory in several parts, as those of large pairs do.
compiler.source = lambda name: "#define PASSED 64\\n" + without if name == "prim" else whole(name)
pairs._DeviceCount.on_host = None  # a pair that is given up is a difference too
x = np.random.default_rng(1).normal(size=(140, 40)).astype(np.float32)
x[:, 0] += 400 * (np.arange(140) % 2)  # enough is in doubt for float32, and not too much
labels = np.repeat([0, 1], 70)
expected = hp.pairwise_hp(x, labels)
for seed in range(12):
    RawModule.seed = 100 * seed
    with stand_in() as cupy:
        found = hp.pairwise_hp(cupy.asarray(x), labels)
        assert all(np.array_equal(found[name], expected[name]) for name in ("cross_edges", "z", "pvalue"))
"""


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("place", [None, *BARRIERS])
def test_without_any_one_barrier_some_order_of_threads_goes_wrong(place):
    """In a process of its own: it may be ended by an address made of rubbish."""
    at = len(source("prim")) if place is None else place
    script = WITHOUT_A_BARRIER.replace('text.index(";", place)', "len(text)") if place is None else WITHOUT_A_BARRIER
    done = subprocess.run([sys.executable, "-c", script, str(at)], capture_output=True, check=False, cwd=ROOT)
    assert (done.returncode == 0) == (place is None), done.stderr.decode()[-2000:]


# ---- the stand-in


def test_arrays_of_the_stand_in_do_not_become_numpy_arrays_unasked():
    with stand_in() as cupy:
        x = cupy.asarray(np.arange(4.0))
        assert isinstance(x, ndarray)
        for stray in (
            lambda: np.asarray(x),
            lambda: np.sqrt(x),
            lambda: np.concatenate([x, x]),
            lambda: x + np.arange(4.0),
            lambda: np.arange(4.0) + x,
            lambda: x[np.array([0, 1])],
            lambda: cupy.sqrt(np.arange(4.0)),
        ):
            with pytest.raises(TypeError):
                stray()
        assert float(cupy.sqrt(x * 2).max()) == np.sqrt(6.0)


def test_the_stand_in_has_no_function_that_cupy_lacks():
    pytest.importorskip("importlib.util").find_spec("cupy") or pytest.skip("CuPy is not installed")
    with stand_in() as cupy:
        assert callable(cupy.take_along_axis)
        with pytest.raises(AttributeError):
            _ = cupy.spacing_of_nothing
        with pytest.raises(AttributeError):
            cupy.maximum.reduceat  # noqa: B018
