"""A sweep is what its parts give, checkpoint by checkpoint and split by split."""

import copy
import hashlib
import inspect
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hpfunc._torch.collect import Collection
from hpfunc._tree.pairs import count_pairs
from hpfunc._tree.reduce.basis import find_basis
from hpfunc.activations import collect_activations
from hpfunc.pairwise import pairwise_hp
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import make_data

# What neither of its parts has.
OWN = {"checkpoints", "data", "build", "part", "executor", "store", "overwrite"}


DATA = {"train": make_data(), "test": make_data(n=45, seed=1)}


def test_a_sweep_is_what_its_parts_give():
    models = {0: seeded(Mlp), 5: seeded(Mlp, 1), 12: seeded(Mlp, 2)}
    options = {"samples_per_class": 12, "key": 3, "classes": [2, 0, 1], "layers": ["fc*"], "batch_size": 7}
    runs = sweep(models, DATA, pairs=iter([(2, 0), (1, 2)]), k=2, **options)
    assert dict(runs.sizes) == {"checkpoint": 3, "split": 2, "layer": 2, "pair": 2}
    assert runs.hp.dims == runs.n_a.dims == ("checkpoint", "split", "layer", "pair")
    for label, model in models.items():
        for split, data in DATA.items():
            expected = pairwise_hp(collect_activations(model, data, **options), pairs=[(0, 2), (1, 2)], k=2)
            found = runs.sel(checkpoint=label, split=split).drop_vars(["checkpoint", "split"])
            made_from = {name: found.attrs.pop(name) for name in ("samples", "weights")}
            assert found.identical(expected)
    assert runs.hp.sel(checkpoint=5, split="test", layer="fc2", class_a=2, class_b=0).shape == ()
    assert runs.attrs == expected.attrs | made_from
    assert [part.split(": ")[0] for part in runs.weights.split("; ")] == ["0", "5", "12"]
    assert [part.split(": ")[0] for part in runs.samples.split("; ")] == ["train", "test"]
    assert runs.hp.attrs == expected.hp.attrs


STAGES = ["loading", "forward", "reduction", "exact distances", "trees"]


def test_the_log_says_where_the_time_goes(caplog, monkeypatch):
    # So that a small layer is reduced, too.
    monkeypatch.setattr(count_pairs, "is_large", lambda d, starts, pairs: d == 40)
    monkeypatch.setattr(count_pairs, "choose_directions", lambda x, *rest: find_basis(x, np.arange(40), 8))
    data = {"train": make_data(n=90, features=40), "test": make_data(n=45, features=40, seed=1)}
    models = {0: nn.Sequential(nn.Linear(40, 6)), 1: nn.Sequential(nn.Linear(40, 6))}
    silent = sweep(models, data)
    with caplog.at_level("INFO", "hpfunc"):
        runs = sweep(models, data)
        with ThreadPoolExecutor(2) as pool:
            sweep(models, data, executor=pool)
    # Results hold no times: the same sweep gives the same file.
    assert runs.identical(silent)
    *_, here, elsewhere = (record for record in caplog.records if hasattr(record, "seconds"))
    assert here.message.startswith("the sweep did 2 tasks in ")
    assert elsewhere.message.startswith("the sweep did 4 tasks in ")
    for record in (here, elsewhere):
        assert list(record.seconds) == STAGES
        assert all(seconds > 0 for seconds in record.seconds.values())
        assert all(f"{stage} {seconds:.1f} s" in record.message for stage, seconds in record.seconds.items())


def test_a_warning_points_at_the_line_that_called(monkeypatch):
    monkeypatch.setattr("hpfunc._tree.mst.ties.LARGEST_COMPONENT", 10)
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2).astype(np.float32)
    data = (torch.from_numpy(grid), np.arange(36) % 2)
    with pytest.warns(UserWarning, match=r"layer 'input', classes 0 and 1") as caught:
        sweep({0: nn.Sequential(nn.Identity())}, {"test": data}, build=nn.Sequential, layers=["input"])
    assert {one.filename for one in caught} == {__file__}


def test_paths_state_dicts_and_modules_are_the_same(tmp_path):
    model = seeded(Mlp)
    torch.save(model.state_dict(), tmp_path / "a.ckpt")
    built = []

    def build():
        built.append(weakref.ref(module := Mlp()))
        assert sum(ref() is not None for ref in built) == 1, "the one before is still in memory"
        return module

    sources = {
        "path": tmp_path / "a.ckpt",
        "str": str(tmp_path / "a.ckpt"),
        "dict": model.state_dict(),
        "module": model,
    }
    runs = sweep(sources, DATA, build=build)
    assert len(built) == 3
    for label in sources:
        chosen = runs.sel(checkpoint=label).drop_vars("checkpoint")
        assert chosen.identical(runs.sel(checkpoint="path").drop_vars("checkpoint"))


def test_nothing_that_was_given_is_changed():
    model = seeded(Mlp).train()
    model.relu.eval()
    state = seeded(Mlp, 1).state_dict()
    before = copy.deepcopy((model.state_dict(), state)), torch.get_rng_state()
    checkpoints, data = {0: model, 1: state}, {"a": make_data()}
    sweep(checkpoints, data, build=Mlp, key=0)
    for now, then in zip((model.state_dict(), state), before[0], strict=True):
        assert all(torch.equal(now[key], then[key]) for key in then)
    assert torch.equal(torch.get_rng_state(), before[1])
    assert [m.training for m in (model, model.fc1, model.relu, model.fc2)] == [True, True, False, True]
    assert list(checkpoints) == [0, 1]
    assert checkpoints[0] is model
    np.testing.assert_array_equal(data["a"][0], make_data()[0])


def test_the_options_are_those_of_the_parts():
    """Defaults that are repeated drift apart, unless a test holds them together."""
    own = inspect.signature(sweep).parameters
    parts = {}
    for function, elsewhere in (
        (collect_activations, {"model", "data", "store"}),
        (pairwise_hp, {"activations", "labels", "samples_per_class"}),
    ):
        signature = inspect.signature(function).parameters
        parts |= {name: p.default for name, p in signature.items() if name not in elsewhere}
    options = {name: p for name, p in own.items() if name not in OWN}
    assert {name: p.default for name, p in options.items()} == parts
    assert all(p.kind is p.KEYWORD_ONLY for name, p in own.items() if name not in {"checkpoints", "data"})


def test_a_function_may_load_a_checkpoint(tmp_path, monkeypatch):
    weights = seeded(Mlp).state_dict()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    torch.save(weights, tmp_path / "a.ckpt")
    data = {"a": make_data()}
    expected = sweep({0: weights, 1: weights, 2: weights}, data, build=Mlp)
    loads = {0: lambda: weights, 1: "~/a.ckpt", 2: lambda: "~/a.ckpt"}
    for store in (None, tmp_path / "store", tmp_path / "store"):
        assert sweep(loads, data, build=Mlp, store=store).drop_attrs().equals(expected.drop_attrs())
    with pytest.raises(TypeError, match="checkpoint 0 is a function that returned a Mlp; expected a path or a state"):
        sweep({0: lambda: seeded(Mlp)}, data, build=Mlp)


def test_a_sweep_can_be_written_and_opened(tmp_path):
    runs = sweep({"before": seeded(Mlp), "after": seeded(Mlp, 1)}, DATA)
    runs.to_netcdf(tmp_path / "runs.nc")
    assert open_results(tmp_path / "runs.nc").identical(runs)
    assert {type(value) for value in runs.attrs.values()} <= {str, int, float}


def test_loaders_are_swept_too():
    points, labels = map(torch.from_numpy, DATA["train"])
    loader = DataLoader(TensorDataset(points, labels), batch_size=8)
    runs = sweep({0: seeded(Mlp)}, {"loader": loader, "arrays": DATA["train"]})
    one, other = (runs.sel(split=name).drop_vars("split") for name in ("loader", "arrays"))
    assert one.identical(other)


def test_samples_that_change_between_checkpoints_are_an_error():
    class Rolling:
        """Each time that it is read it starts one sample later."""

        def __init__(self):
            self._points, self._labels = make_data()
            self.start = 0

        def __len__(self):
            return len(self._labels)

        def __getitem__(self, item):
            self.start += item == 0
            at = (item + self.start) % len(self)
            return self._points[at], self._labels[at]

    words = "checkpoint 0 on data 'a' and checkpoint 1 on data 'a' saw different samples"
    with pytest.raises(ValueError, match=words):
        sweep({0: seeded(Mlp), 1: seeded(Mlp)}, {"a": Rolling()})


class Other(Mlp):
    """One more layer, at the end or not at all."""

    def __init__(self, width=5, last=True):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(6, width), nn.Linear(width, 3)
        self.softmax = nn.Softmax(dim=1) if last else nn.Identity()

    def forward(self, x):
        out = self.fc2(self.relu(self.fc1(x)))
        return self.softmax(out) if isinstance(self.softmax, nn.Softmax) else out


@pytest.mark.parametrize(
    ("checkpoints", "data", "words"),
    [
        ({"a": Mlp(), "b": Other()}, DATA, "checkpoint 'a' on .*checkpoint 'b' on .* the layers softmax"),
        ({"a": Mlp(), "b": Other(9, last=False)}, DATA, "layer 'fc1' has 5 features at one and 9 at the other"),
        ({0: Mlp()}, {"a": make_data(), "b": make_data(classes=2)}, r"data 'b' differ: .* \(0, 2\), \(1, 2\)"),
    ],
)
def test_what_differs_is_named_and_never_filled_in(checkpoints, data, words):
    with pytest.raises(ValueError, match=words):
        sweep(checkpoints, data)


@pytest.mark.parametrize(
    ("checkpoints", "data", "error", "words"),
    [
        ({}, DATA, ValueError, "checkpoints is empty"),
        ({0: Mlp()}, {}, ValueError, "data is empty"),
        ([Mlp()], DATA, TypeError, "checkpoints is a list"),
        ({0: Mlp()}, make_data(), TypeError, "data is a tuple"),
        ({0.5: Mlp()}, DATA, TypeError, "label 0.5"),
        ({0: Mlp(), "b": Mlp()}, DATA, TypeError, "labels of two types"),
        ({0: Mlp()}, {0: make_data()}, TypeError, "label 0 .*strings"),
        ({0: Mlp(), 1: "none.ckpt"}, DATA, ValueError, r"checkpoint 1 \(none.ckpt\) does not exist"),
        ({0: Mlp(), 1: Mlp().state_dict()}, DATA, TypeError, "build is of type NoneType"),
        ({0: Mlp(), 1: Mlp}, DATA, TypeError, "checkpoint 1 has the type type"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_measured(checkpoints, data, error, words, monkeypatch):
    def measure(*args, **options):
        raise AssertionError("measured before the arguments were checked")

    monkeypatch.setattr("hpfunc._torch.collect.Collection.in_groups", measure)
    with pytest.raises(error, match=words):
        sweep(checkpoints, data)


def test_errors_say_where_they_arose():
    broken = seeded(Mlp)
    broken.fc1.weight.data[0, 0] = np.nan
    with pytest.raises(ValueError, match="'fc1'") as error:
        sweep({0: seeded(Mlp), 7: broken}, DATA)
    assert error.value.__notes__ == ["in sweep, at checkpoint 7 on data 'train'"]


def test_progress_goes_to_stderr_and_only_when_asked_for(capsys):
    sweep({0: seeded(Mlp)}, DATA)
    assert capsys.readouterr() == ("", "")
    sweep({0: seeded(Mlp)}, DATA, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "2/2" in err


# ---- layers in groups


class Wide(nn.Module):
    """Layers that take 1.9 MB each for 240 samples, and a ReLU that overwrites one of them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 2000)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Linear(2000, 2000)
        self.last = nn.Linear(2000, 3)

    def forward(self, x):
        return self.last(self.relu(self.second(self.relu(self.first(x)))))


class Counted(torch.utils.data.Dataset):
    """Tells its labels only with its samples, and counts how often it is read."""

    def __init__(self):
        # Of so many classes that a pair of them takes less to work in than a layer.
        self.points, self.classes = make_data(240, classes=12)
        self.reads = 0

    def __len__(self):
        return len(self.classes)

    def __getitem__(self, item):
        self.reads += item == 0
        return torch.from_numpy(self.points[item]), int(self.classes[item])


@pytest.mark.parametrize("data", [make_data(240, classes=12), Counted()], ids=["arrays", "stream"])
def test_layers_in_groups_are_those_of_one_pass_bit_for_bit(data, monkeypatch):
    model, passes = seeded(Wide), []

    collect = Collection._collect

    def counted(self, record, layers, *rest):
        passes.append([layer.name for layer in layers])
        return collect(self, record, layers, *rest)

    monkeypatch.setattr(Collection, "_collect", counted)
    reduce = {"second": lambda rows: rows[:, ::2], "last": lambda rows: rows * 2}
    whole = sweep({0: model}, {"a": data}, reduce=reduce)
    assert passes == [["input", "first", "relu", "second", "relu_1", "last"]]
    reads = getattr(data, "reads", 0)
    groups = sweep({0: model}, {"a": data}, reduce=reduce, max_memory=3_200_000)
    assert passes[1:] == [["input", "first"], ["relu", "second"], ["relu_1", "last"]]
    assert groups.identical(whole)
    # The samples are chosen once for all groups.
    assert getattr(data, "reads", 0) == 2 * reads


def test_a_layer_that_is_larger_than_the_limit_is_named():
    points, labels = make_data()
    wide = np.tile(points, 400)
    model = nn.Sequential(nn.Linear(2400, 2))
    with pytest.raises(ValueError, match=r"1 layers need 576 kB of memory, more than max_memory=500 kB.*input 576 kB"):
        sweep({0: model}, {"a": (wide, labels)}, max_memory=500_000)


def test_without_a_limit_a_stream_is_read_once_for_each_checkpoint():
    data = Counted()
    sweep({0: seeded(Mlp), 1: seeded(Mlp, 1)}, {"a": data})
    assert data.reads == 2


# ---- from what it was made


def test_attrs_say_from_what_the_results_were_made(tmp_path):
    torch.save(seeded(Mlp).state_dict(), tmp_path / "a.ckpt")
    digest = hashlib.sha256((tmp_path / "a.ckpt").read_bytes()).hexdigest()
    options = {"key": (2, 3), "samples_per_class": 7, "layers": ["fc*", "input"], "classes": [2, 0], "reduce": None}
    runs = sweep({4: tmp_path / "a.ckpt"}, DATA, build=Mlp, metric="cosine", **options)
    expected = {
        "key": "(2, 3)", "samples_per_class": 7, "layers": "fc*, input", "classes": "[2, 0]", "method": "hooks",
        "metric": "cosine", "weights": f"4: {digest[:16]}", "numpy_version": np.__version__,
        "torch_version": str(torch.__version__),
    }  # fmt: skip
    assert {name: runs.attrs[name] for name in expected} == expected
    runs.to_netcdf(tmp_path / "runs.nc")
    assert open_results(tmp_path / "runs.nc").attrs == runs.attrs
    # Other samples and other weights are told apart, and the same are the same.
    again = sweep({4: str(tmp_path / "a.ckpt")}, DATA, build=Mlp, metric="cosine", **options)
    assert again.attrs == runs.attrs
    other = sweep({4: seeded(Mlp, 1)}, DATA, metric="cosine", **(options | {"key": 9}))
    assert other.attrs["weights"] != runs.attrs["weights"]
    assert other.attrs["samples"] != runs.attrs["samples"]


def test_what_a_function_holds_is_described_before_the_sweep_calls_it(tmp_path):
    def make(seen):
        def forward(model, x):
            seen.append(len(x))
            return model(x)

        return forward

    models, seen = {0: seeded(Mlp), 1: seeded(Mlp, 1)}, []
    runs = sweep(models, DATA, forward=make(seen), store=tmp_path, samples_per_class=9)
    assert seen
    again = []
    resumed = sweep(models, DATA, forward=make(again), store=tmp_path, samples_per_class=9)
    assert again == []
    assert resumed.identical(runs)
    assert sweep(models, DATA, forward=make([]), samples_per_class=9).attrs == runs.attrs
    with pytest.raises(ValueError, match=r"holds checkpoint 0.* made otherwise: forward differs"):
        sweep(models, DATA, forward=make(seen), store=tmp_path, samples_per_class=9)
