"""Whatever a forward pass changes, and whenever it is interrupted: model and process come back as they were."""

import random
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import promises_models as promises
from benchmarks.promises_models import CHANGES, Changing, collect, moment
from hpfunc._torch.model.process import run_alone
from hpfunc._torch.model.restore import run_unchanged
from hpfunc._torch.model.state import ModelState
from hpfunc.activations import collect_activations
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import FACTORIES, save_checkpoints


@pytest.fixture(autouse=True)
def surroundings():
    """Whatever a test shows wrong, the next begins as this did."""
    threads, errors = torch.get_num_threads(), np.geterr()
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.use_deterministic_algorithms(False)
    torch.set_grad_enabled(True)
    torch.set_num_threads(threads)
    torch.set_autocast_enabled("cpu", False)
    torch.set_anomaly_enabled(False)
    torch.backends.cuda.enable_flash_sdp(True)
    torch.nn.modules.module._global_forward_hooks.clear()
    np.seterr(**errors)
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    products = torch.backends.cuda.matmul
    torch.backends.fp32_precision = products.fp32_precision = torch.backends.mkldnn.matmul.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = products.allow_fp16_reduced_precision_reduction = True
    torch._C._set_mkldnn_enabled(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.set_warn_always(False)


@pytest.mark.parametrize("kind", CHANGES)
def test_what_a_forward_pass_changes_is_put_back(kind):
    model = Changing(CHANGES[kind])
    model.bn.eval()
    before = moment(model)
    run_unchanged(model, lambda mark: CHANGES[kind](model, torch.randn(5, 4)))
    assert moment(model) == before


@pytest.mark.parametrize("kind", CHANGES)
def test_the_picture_sees_every_kind_of_change(kind):
    """Otherwise the test above could not fail."""
    model, x = Changing(CHANGES[kind]), torch.randn(5, 4)
    model.bn.eval()
    with torch.no_grad():
        before = moment(model)
        CHANGES[kind](model, x)
        assert (moment(model) != before) == (kind != "nothing")


def test_memory_that_is_freed_is_put_back():
    """Programs that spread a model over devices free the memory of its tensors."""
    model = nn.Linear(5, 3)
    values = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run_unchanged(model, lambda mark: [p.untyped_storage().resize_(0) for p in model.parameters()])
    assert all(torch.equal(tensor, values[name]) for name, tensor in model.state_dict().items())
    model.bias.untyped_storage().resize_(0)
    run_unchanged(model, lambda mark: model.weight.data.zero_())
    assert torch.equal(model.weight, values["weight"])
    assert model.bias.untyped_storage().nbytes() == 0


@pytest.mark.parametrize("method", ["hooks", lambda x: {"double": 2 * x}])
def test_a_collection_leaves_no_trace(method):
    # These would leave a model that cannot run, and no gradient can be had after the last.
    apart = (
        "a module replaced", "the class of a module", "the default device", "the default dtype", "requires_grad",
        "a parameter of another dtype", "tensors exchanged", "a parameter exchanged for a tensor",
        "the shape and flags of a NumPy array", "layers exchanged", "a device that is entered",
    )  # fmt: skip
    changes = [change for kind, change in CHANGES.items() if kind not in apart] + [CHANGES["requires_grad"]]

    def all_of_them(model, x):
        for change in changes:
            change(model, x)

    model = Changing(all_of_them)
    before = moment(model)
    collect(model, method=method)
    assert moment(model) == before


def test_a_warning_that_is_an_error_leaves_no_trace():
    class Reorders(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.b(self.a(x).flip(0)).flip(0)

    model, data = Reorders(), (torch.rand(20, 4), [0, 1] * 10)
    before = torch.get_rng_state()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=r"left out: b .*order of the samples"):
            collect_activations(model, data)
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


def test_each_pass_of_the_probe_begins_where_the_first_began():
    """A model that keeps its state from call to call gives what it gives without the probe."""

    class Stateful(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRUCell(4, 5)
            self.h = None
            self.calls = []

        def forward(self, x):
            self.calls.append(len(x))
            self.h = self.rnn(x, self.h)
            return self.h

    x, y = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32), np.repeat([0, 1], 10)
    model = seeded(Stateful)
    acts = collect_activations(model, (x, y), batch_size=10)
    assert model.h is None
    assert model.calls == []
    with torch.no_grad():
        expected = torch.cat([model(torch.from_numpy(part)) for part in (x[:10], x[10:])])
    np.testing.assert_allclose(acts["rnn"].values, expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
def test_buffers_of_other_layouts_and_of_inference_mode():
    model = nn.Linear(4, 3)
    indices = torch.tensor([[0, 1], [1, 0]])
    with torch.inference_mode():
        model.register_buffer("made", torch.ones(3))
    with torch.sparse.check_sparse_tensor_invariants(False):
        model.register_buffer("graph", torch.sparse_coo_tensor(indices, torch.ones(2), (2, 2), is_coalesced=True))
        model.register_buffer("rows", torch.eye(2).to_sparse_csr())
    model.register_buffer("wave", torch.complex(torch.ones(3), torch.ones(3)))
    model.register_buffer("turned", torch.arange(6.0).reshape(2, 3).t())
    before = {name: buffer.to_dense().clone() for name, buffer in model.named_buffers()}

    def change(mark):
        for buffer in (model.graph.values(), model.wave, model.turned):
            buffer.data.mul_(3)
        model.made.numpy()[:] = 7
        model.rows.values().data.mul_(3)

    run_unchanged(model, change)
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer.to_dense(), before[name]), name
    assert model.made.is_inference()


def test_what_a_backward_pass_needs_is_not_counted_as_changed():
    """The collection comes between a forward pass and its backward pass."""
    model = Changing(CHANGES["a buffer by .data.add_"])
    loss = model(torch.randn(5, 4)).sum()
    collect(model)
    loss.backward()
    assert model.fc.weight.grad is not None


def test_restoring_keeps_the_order_of_entries_and_may_be_repeated():
    model = seeded(Mlp)
    names = list(vars(model))
    state = ModelState(model)
    model.extra, model.fc1 = nn.Linear(2, 2), nn.Linear(3, 3)
    model.relu = model._modules.pop("relu")
    for _ in range(2):
        state.restore()
        assert list(vars(model)) == names
        assert list(model._modules) == ["fc1", "relu", "fc2"]


# Interrupts.


@pytest.mark.parametrize("method", ["hooks", "fx"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_instant_leaves_no_trace(method):
    struck, left = promises.traces_of_interrupts(40, method=method)
    # Some are swallowed by Python, while it takes down a generator.
    assert struck >= 25
    assert left == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_three_hundred_interrupts_leave_no_trace():
    struck, left = promises.traces_of_interrupts(300)
    assert struck >= 200
    assert left == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupts_of_the_restoring_itself_leave_no_trace():
    """Each instruction of the restoring in turn: the first attempt is interrupted, the second completes it."""
    change = CHANGES["functional batch_norm(training=True)"]

    def all_of_it(model, x):
        for kind in ("a list", "a dict", "a set", "hooks of modules", "requires_grad", "a module replaced"):
            CHANGES[kind](model, x)
        change(model, x) if isinstance(model.bn, nn.BatchNorm1d) else None

    model = Changing(all_of_it)
    before = moment(model)
    begun = threading.Event()

    def work(mark):
        all_of_it(model, torch.randn(5, 4))
        begun.set()

    count = []
    with promises.interrupted(float("inf"), count):
        run_unchanged(model, work)
    for instant in np.linspace(count[0] // 3, count[0], 120).astype(int).tolist():
        begun.clear()
        try:
            with promises.interrupted(instant, count):
                run_unchanged(model, work)
        except KeyboardInterrupt as stop:
            assert moment(model) == before, instant
            del stop


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such signals on this system")
def test_real_signals_leave_no_trace():
    def stop(number, frame):
        raise KeyboardInterrupt

    model = Changing(CHANGES["functional batch_norm(training=True)"])
    collect(model)
    start = time.perf_counter()
    collect(model)
    took = time.perf_counter() - start
    old = signal.signal(signal.SIGALRM, stop)
    draw = random.Random(0)
    struck = 0
    try:
        # A collection that is faster than usual ends before its signal: signals are sent until enough of them arrived.
        for _ in range(2_000):
            if struck == 30:
                break
            before = moment(model)
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(0.02, 1) * took)
                collect(model)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                struck += 1
                assert moment(model) == before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert struck == 30


def test_a_precision_set_by_the_newer_switch_is_kept():
    """Torch then refuses to read its older switches."""
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    try:
        products.fp32_precision = "tf32"
        with pytest.raises(RuntimeError):
            torch.get_float32_matmul_precision()
        collect(Changing())
        assert products.fp32_precision == "tf32"
        collect(Changing(lambda model, x: setattr(products, "fp32_precision", "ieee")))
        assert products.fp32_precision == "tf32"
    finally:
        products.fp32_precision = before
    assert torch.get_float32_matmul_precision() == "highest"


# Threads.


def test_threads_that_work_alone_end_with_the_state_they_began_with():
    before = promises.surroundings(), random.getstate()

    def build(seed):
        def work():
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            torch.set_default_dtype(torch.float64)
            return nn.Linear(3, 3).weight.detach().clone(), run_alone(lambda: torch.rand(1))

        return run_alone(work)

    with ThreadPoolExecutor(8) as pool:
        built = list(pool.map(build, [seed % 5 for seed in range(60)]))
    assert (promises.surroundings(), random.getstate()) == before
    for seed, (weight, number) in enumerate(built):
        torch.testing.assert_close((weight, number), built[seed % 5], rtol=0, atol=0)


@pytest.mark.slow
def test_sweeps_in_threads_with_a_store_leave_the_random_state(tmp_path):
    def seeding():
        torch.manual_seed(7)
        return FACTORIES["train"]()

    paths = save_checkpoints(tmp_path, 4)
    expected = sweep(paths, {"train": FACTORIES["train"]}, build=Mlp, samples_per_class=5)
    # Two of five left another state once.
    for number in range(12):
        before = torch.get_rng_state(), random.getstate()
        with ThreadPoolExecutor(4) as pool:
            runs = sweep(
                paths, {"train": seeding}, build=Mlp, samples_per_class=5, executor=pool, store=tmp_path / str(number)
            )
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]
        assert runs.identical(expected)
