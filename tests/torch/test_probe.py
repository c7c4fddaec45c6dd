"""Which layers are taken, and in which order their rows stand: reordered batches, functions, experts, dtypes."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from hpfunc._arrays import from_tensor
from hpfunc._torch.buffers import DeviceMemory
from hpfunc.activations import collect_activations
from hpfunc.sweeps import sweep
from tests.clone_hooks import leaf_values
from tests.models import Mlp, seeded
from tests.samples import grouped, points


def names(model, data, **options):
    return list(collect_activations(model, data, **options).data_vars)


# A forward pass that reorders its batch.


class Sorts(nn.Module):
    """Sorts by length, runs a packed LSTM, and sorts back: rows inside stand in another order."""

    def __init__(self, sort=True):
        super().__init__()
        self.inp, self.lstm, self.fc = nn.Linear(4, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 2)
        self.sort = sort

    def forward(self, x, n):
        order = n.argsort(descending=True) if self.sort else torch.arange(len(n))
        packed = pack_padded_sequence(self.inp(x[order]), n[order], batch_first=True, enforce_sorted=self.sort)
        _, (hidden, _) = self.lstm(packed)
        return self.fc(hidden[-1][order.argsort()])


class Unsorts(nn.Module):
    """Sorts and sorts back inside one call: its own value is in order."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = Sorts(), nn.Linear(2, 2)

    def forward(self, x, n):
        return self.head(self.inner(x, n))


def texts(count=40):
    random = np.random.default_rng(0)
    return (random.standard_normal((count, 9, 4)).astype(np.float32), random.integers(1, 10, count)), np.arange(
        count
    ) % 2


@pytest.mark.parametrize("batch_size", [7, 16, 100])
def test_rows_that_do_not_stand_in_the_order_of_the_samples_are_left_out_aloud(batch_size):
    data = texts()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        acts = collect_activations(seeded(Sorts), data, batch_size=batch_size)
    told = [str(warning.message) for warning in caught]
    assert [text.partition(" (")[0] for text in told] == [
        "left out: lstm[0][data]",
        "left out: inp, lstm[1][0], lstm[1][1]",
    ]
    assert "whose rows do not stand in the order of the samples" in told[1]
    assert list(acts.data_vars) == ["input[0]", "input[1]", "fc"]
    expected = leaf_values(seeded(Sorts), tuple(map(torch.from_numpy, data[0])), lambda model, x: model(*x))[-1]
    np.testing.assert_allclose(acts["fc"].values, expected.numpy()[grouped(data[1])], rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:left out")
def test_what_does_not_sort_keeps_its_layers():
    taken = names(seeded(lambda: Sorts(sort=False)), texts())
    assert "lstm[1][0]" in taken
    assert "inp" in taken
    assert names(seeded(Unsorts), texts(), layers=["inner", "head"]) == ["inner", "head"]


def test_rows_in_another_order_are_an_error_if_they_were_asked_for():
    with pytest.raises(ValueError, match=r"layers: 'lstm\[1\]\[0\]' means tensors whose rows do not stand"):
        collect_activations(seeded(Sorts), texts(), layers=["fc", "lstm[1][0]"])


@pytest.mark.parametrize("reorder", [lambda x: x.flip(0), lambda x: x.roll(1, 0), lambda x: x[x[:, 0].argsort()]])
@pytest.mark.parametrize("method", ["hooks", "fx"])
def test_any_reordering_is_seen(reorder, method):
    class Reorders(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 4)

        def forward(self, x):
            return self.b(reorder(self.a(x)))

    with pytest.warns(UserWarning, match=r"left out: .*order of the samples"):
        taken = names(seeded(Reorders), points(30, 6), method=method)
    assert taken[:2] == ["input", "a"]
    assert "b" not in taken


class Noisy(nn.Module):
    """Draws random numbers in its forward pass: no two passes agree, and no row is out of order."""

    def __init__(self, sort=False):
        super().__init__()
        self.a, self.b, self.sort = nn.Linear(6, 5), nn.Linear(5, 4), sort

    def forward(self, x):
        x = nn.functional.dropout(self.a(x), 0.3, training=True)
        return self.b(x[x[:, 0].argsort()] if self.sort else x) + 0.1 * torch.rand(len(x), 4)


class Sharing(nn.Module):
    """Normalises by its batch: a row depends on the others, and moves with its sample all the same."""

    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(6, 5), nn.Identity(), nn.Linear(5, 4)

    def forward(self, x):
        return self.b(self.norm(nn.functional.batch_norm(self.a(x), None, None, training=True)))


class Dead(nn.Module):
    """A layer whose values are all zero tells nothing of the order, and stays."""

    def __init__(self):
        super().__init__()
        self.a, self.relu, self.b = nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)

    def forward(self, x):
        return self.b(self.relu(self.a(x) - 1e6))


@pytest.mark.parametrize(
    ("model", "layers"), [(Noisy, ["a", "b"]), (Sharing, ["a", "norm", "b"]), (Dead, ["a", "relu", "b"])]
)
@pytest.mark.parametrize("count", [4, 30])
def test_no_layer_is_doubted_without_cause(model, layers, count):
    assert names(seeded(model), points(count, 6)) == ["input", *layers]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rounding_is_no_cause(dtype):
    def build():
        layers = [layer for _ in range(8) for layer in (nn.Linear(24, 24), nn.LayerNorm(24), nn.GELU())]
        return nn.Sequential(*layers).to(dtype)

    assert len(names(seeded(build), points(33, 24))) == 25


# Functional models.


class Helper(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


class Body(nn.Module):
    """Works with functions; its only part gives no rows of samples."""

    def __init__(self, answer):
        super().__init__()
        self.weight, self.helper = nn.Parameter(torch.rand(4, 3)), Helper(answer)

    def forward(self, x):
        self.helper(x)
        return torch.relu(x @ self.weight)


@pytest.mark.parametrize(
    "answer",
    [lambda x: None, lambda x: ["a"] * len(x), lambda x: 3.0, lambda x: torch.arange(6.0), lambda x: {"a": None}],
)
def test_a_helper_that_gives_no_rows_hides_nothing(answer):
    data = points(12, 4)
    assert names(Body(answer), data) == ["input", "output"]
    assert names(nn.Sequential(Body(answer), nn.Linear(3, 2)), data) == ["input", "0", "1"]
    assert names(nn.Sequential(nn.Sequential(Body(answer))), data) == ["input", "0.0"]


def test_an_exported_module_gives_its_output_and_its_graph():
    model, (x, y) = seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU())), points(20, 4)
    batch = torch.export.Dim("batch", min=2)
    exported = torch.export.export(model, (torch.from_numpy(x),), dynamic_shapes=({0: batch},)).module()
    expected = collect_activations(model, (x, y))
    acts = collect_activations(exported, (x, y))
    assert list(acts.data_vars) == ["input", "output"]
    np.testing.assert_allclose(acts["output"].values, expected["1"].values, rtol=1e-5, atol=1e-6)
    graph = collect_activations(exported, (x, y), method="fx")
    assert list(graph.data_vars) == ["input", "linear_default", "relu_default"]
    np.testing.assert_allclose(graph["relu_default"].values, expected["1"].values, rtol=1e-5, atol=1e-6)


# Batches of the probe.


def sizes_of(model, data, **options):
    """Record the sizes of the batches that a model was given."""
    seen = []

    def forward(model, x):
        seen.append(len(x))
        return model(x)

    collect_activations(model, data, forward=forward, **options)
    return seen


def test_no_batch_is_smaller_than_the_callers_but_the_last():
    data = points(50, 6)
    sizes = sizes_of(seeded(Mlp), data, batch_size=16)
    # The probe is one sample larger, and the first real batch is not run again.
    assert sizes == [17, 16, 16, 16, 2]
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*map(torch.from_numpy, data)), batch_size=16)
    assert sizes_of(seeded(Mlp), loader) == sizes
    # Of each batch of the loader a third is chosen: the batches of the model are full all the same.
    assert min(sizes_of(seeded(Mlp), loader, classes=[1])[:-1]) >= 16


def test_the_first_batch_runs_again_where_its_layers_do_not_fit_beside_each_other(monkeypatch):
    x, y = points(50, 6)
    model = seeded(Mlp)
    sizes = []

    def forward(model, x):
        sizes.append(len(x))
        return model(x)

    expected = sweep({0: model}, {"a": (x, y)}, forward=forward, batch_size=20)
    assert sizes == [21, 20, 20, 10]
    # One byte: each of the four layers is a group of its own, and larger than the memory that it may take.
    sizes.clear()
    monkeypatch.setattr(DeviceMemory, "half", lambda self, device: 1)
    assert sweep({0: model}, {"a": (x, y)}, forward=forward, batch_size=20).equals(expected)
    assert sizes == [21, 20] + 4 * [20, 20, 10]


class Fixed(nn.Module):
    """The size of the batch is part of the model."""

    def __init__(self, size=10):
        super().__init__()
        self.rnn, self.fc, self.size = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 2), size

    def forward(self, x):
        steps, _ = self.rnn(x, torch.zeros(1, self.size, 5))
        return self.fc(steps.reshape(self.size, -1, 5)[:, -1])


class Squeezes(nn.Module):
    """Loses the axis of the samples where there is one alone."""

    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.fc = nn.Conv2d(1, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(6, 1)

    def forward(self, x):
        return self.fc(self.pool(self.conv(x)).squeeze()).squeeze()


def test_models_of_one_batch_size_or_that_squeeze_run():
    x, y = points(50, 6, 4)
    model = seeded(Fixed)
    acts = collect_activations(model, (x, y), batch_size=10)
    assert list(acts.data_vars) == ["input", "rnn[0]", "rnn[1]", "fc"]
    whole = collect_activations(seeded(lambda: Fixed(50)), (x, y), batch_size=50)
    np.testing.assert_allclose(acts["fc"].values, whole["fc"].values, rtol=1e-5, atol=1e-6)
    images = points(64, 1, 8, 8, classes=2)
    assert "fc" in names(seeded(Squeezes), images, batch_size=16)
    rare = np.array(([0] * 31 + [1]) * 2)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(images[0]), torch.from_numpy(rare)), batch_size=32
    )
    assert "fc" in names(seeded(Squeezes), loader, classes=[1])


def test_a_model_that_runs_on_nothing_says_what_was_tried():
    class Picky(Mlp):
        def forward(self, x):
            if x[0, 0] > 0:
                raise RuntimeError("only in this order")
            return super().forward(x)

    x, y = points(8, 6)
    x[:, 0] = 1
    x[0, 0] = -1
    with pytest.raises(RuntimeError, match="only in this order") as caught:
        collect_activations(seeded(Picky), (x, y), batch_size=4)
    assert "tried were the first 4 samples, 5 of them, and 4 in another order" in "\n".join(caught.value.__notes__)


# Layers that run for some samples only.


class Experts(nn.Module):
    """A gate sends each sample to one expert."""

    def __init__(self):
        super().__init__()
        self.gate, self.head = nn.Linear(4, 2), nn.Linear(8, 2)
        self.experts = nn.ModuleList(nn.Linear(4, 8) for _ in range(2))

    def forward(self, x):
        chosen, out = self.gate(x).argmax(1), x.new_zeros(len(x), 8)
        for number, expert in enumerate(self.experts):
            if (chosen == number).any():
                out[chosen == number] = expert(x[chosen == number])
        return self.head(out)


@pytest.mark.parametrize("seed", range(20))
def test_experts_are_left_out_aloud_whatever_they_are_given(seed):
    x, y = points(60, 4, seed=seed)
    model = seeded(Experts, seed)
    with torch.no_grad():
        chosen = model.gate(torch.from_numpy(x)).argmax(1).tolist()
    options = {"batch_size": 20}
    if len(set(chosen)) == 1:
        assert "head" in names(model, (x, y), **options)
    else:
        with pytest.warns(UserWarning, match=r"left out: experts\.[01]"):
            taken = names(model, (x, y), **options)
        assert taken == ["input", "gate", "head"]


def test_an_early_exit_is_left_out_aloud():
    class Exits(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            x = self.first(x)
            return self.second(x) if x[:, 0].mean() > 0 else x

    x, y = points(40, 4)
    model = nn.Sequential(seeded(Exits), nn.Linear(4, 2))
    with torch.no_grad():
        running = [float(model[0].first(torch.from_numpy(x[k : k + 4]))[:, 0].mean()) > 0 for k in range(0, 40, 4)]
    assert len(set(running)) == 2
    with pytest.warns(UserWarning, match=r"left out: 0\.second|left out: 0 "):
        taken = names(model, (x, y), batch_size=4)
    assert "0.second" not in taken
    assert {"0.first", "1"} <= set(taken)


# Dtypes and layouts that cannot be indexed as they are.


class Gives(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


class Ends(nn.Module):
    def forward(self, x):
        return torch.zeros(x.size(0), 2)


DEFINED = {
    "quint8": (lambda v: torch.quantize_per_tensor(v, 0.01, 0, torch.quint8), lambda v: np.round(v * 100) / 100),
    "float8": (lambda v: v.to(torch.float8_e4m3fn), lambda v: torch.from_numpy(v).to(torch.float8_e4m3fn).float()),
    "float8_e5m2": (lambda v: v.to(torch.float8_e5m2), lambda v: torch.from_numpy(v).to(torch.float8_e5m2).float()),
    "complex32": (lambda v: torch.complex(v, v).to(torch.complex32), lambda v: v.astype(np.float16) * (1 + 1j)),
    "uint16": (lambda v: (v * 60000).to(torch.uint16), lambda v: (v * 60000).astype(np.uint16)),
    "uint32": (lambda v: (v * 60000).to(torch.uint32), lambda v: (v * 60000).astype(np.uint32)),
    "uint64": (lambda v: (v * 60000).to(torch.uint64), lambda v: (v * 60000).astype(np.uint64)),
    "sparse": (lambda v: v.to_sparse(), lambda v: v),
    "mkldnn": (lambda v: v.to_mkldnn(), lambda v: v),
    "bool": (lambda v: v > 0.5, lambda v: v > 0.5),
}


@pytest.mark.parametrize("kind", DEFINED)
@pytest.mark.filterwarnings("ignore:torch.quantize", "ignore:ComplexHalf")
def test_values_without_a_dtype_of_numpy_are_widened(kind):
    make, expected = DEFINED[kind]
    x = np.random.default_rng(0).random((12, 4), dtype=np.float32)
    for y in (np.arange(12) % 3, np.arange(12) // 4):
        if kind == "mkldnn" and not torch.backends.mkldnn.is_available():
            pytest.skip("there is no mkldnn")
        acts = collect_activations(nn.Sequential(Gives(make), Ends()), (x, y), batch_size=5)
        np.testing.assert_allclose(acts["0"].values, np.asarray(expected(x[grouped(y)])), rtol=2e-3, atol=1e-6)


UNDEFINED = {
    "nested": lambda v: torch.nested.nested_tensor(list(v)),
    "meta": lambda v: v.to("meta"),
    "jagged": lambda v: torch.nested.nested_tensor([row[:2] for row in v], layout=torch.jagged),
    "huge": lambda v: torch.full((len(v), 2), 2**63, dtype=torch.uint64),
}


@pytest.mark.parametrize("kind", UNDEFINED)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested")
def test_values_without_a_dense_form_are_left_out_aloud(kind):
    x, y = points(12, 4)
    model = nn.Sequential(Gives(UNDEFINED[kind]), Ends())
    with pytest.warns(UserWarning, match=r"left out: 0 \(1 in all\), whose dtype or layout has no dense values"):
        acts = collect_activations(model, (x, y), batch_size=12)
    assert list(acts.data_vars) == ["input", "1"]
    with pytest.raises(ValueError, match="'0' means tensors whose dtype or layout has no dense values"):
        collect_activations(model, (x, y), layers=["0"], batch_size=12)


# Devices whose arrays cannot be shared.


def test_a_sweep_brings_layers_to_the_host_where_their_device_cannot_be_shared(monkeypatch):
    """As with Apple's MPS, or with CUDA without CuPy; the refusal is simulated."""

    def refuse(tensor, name="array"):
        if name == "a layer":
            raise TypeError(f"{name}: device mps:0 is not supported; pass tensor.cpu()")
        return from_tensor(tensor, name)

    x, y = points(12, 6)
    expected = sweep({0: seeded(Mlp)}, {"a": (x, y), "b": (x, y)})
    monkeypatch.setattr("hpfunc._torch.buffers.from_tensor", refuse)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = sweep({0: seeded(Mlp)}, {"a": (x, y), "b": (x, y)})
    assert runs.identical(expected)
    assert [str(warning.message).partition("host")[0] for warning in caught] == [
        "checkpoint 0 on data 'a': layers are brought to the ",
        "checkpoint 0 on data 'b', as before: layers are brought to the ",
    ]
    with pytest.raises(ValueError, match=r'store="device": a layer: device mps:0 is not .*pass store="cpu"'):
        collect_activations(seeded(Mlp), (x, y))
    assert "fc1" in collect_activations(seeded(Mlp), (x, y), store="cpu")


# The caller's surroundings.


@pytest.mark.parametrize("method", ["hooks", "fx"])
def test_the_default_dtype_and_device_change_nothing(method):
    class Makes(Mlp):
        def forward(self, x):
            return super().forward(x + torch.ones(6) / 3) * torch.full((3,), 0.1)

    x, y = points(12, 6)
    model = seeded(Makes)
    for data in ((x, y), (x.tolist(), y.tolist()), [(torch.from_numpy(a), int(b)) for a, b in zip(x, y, strict=True)]):
        expected = collect_activations(model, data, method=method)
        try:
            torch.set_default_dtype(torch.float64)
            assert collect_activations(model, data, method=method).identical(expected)
            torch.set_default_device("meta")
            assert collect_activations(model, data, method=method).identical(expected)
            assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float64, "meta")
        finally:
            torch.set_default_dtype(torch.float32)
            torch.set_default_device(None)
        with torch.device("meta"):
            assert collect_activations(model, data, method=method).identical(expected)
            assert torch.get_default_device().type == "meta"
