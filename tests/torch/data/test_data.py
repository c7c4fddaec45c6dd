"""Data sets, loaders and arrays: the same samples, each loaded once, labels of any kind."""

import collections

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from hpfunc._torch.data.sampling import choose_positions
from hpfunc.activations import collect_activations
from tests.models import Mlp, MultiInput, seeded
from tests.samples import Known, N, Plain, Stream, X, Y


def collect(data, model=None, **options):
    return collect_activations(model or seeded(Mlp), data, **options)


def assert_same_samples(acts, expected):
    np.testing.assert_array_equal(acts.label.values, expected.label.values)
    np.testing.assert_array_equal(acts.index.values, expected.index.values)
    for name in expected.data_vars:
        np.testing.assert_allclose(acts[name].values, expected[name].values, rtol=1e-5, atol=1e-6)


SOURCES = {
    "plain": Plain,
    "targets": Known,
    "labels": lambda: Known("labels"),
    "tensors": lambda: TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
    "list": lambda: [(torch.from_numpy(x), int(y)) for x, y in zip(X, Y, strict=True)],
    "stream": Stream,
    "subset": lambda: Subset(Known(), range(N)),
    "concatenated": lambda: ConcatDataset([Subset(Known(), range(10)), Subset(Known(), range(10, N))]),
    "loader": lambda: DataLoader(Known(), batch_size=4),
    "loader without labels": lambda: DataLoader(Plain(), batch_size=4),
    "loader of a stream": lambda: DataLoader(Stream(), batch_size=4),
    "loader of batches": lambda: DataLoader(Known(), batch_sampler=[list(range(7)), list(range(7, N))]),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "options", [{}, {"samples_per_class": 4}, {"samples_per_class": 4, "key": 1}, {"classes": [2, 0]}]
)
def test_every_source_gives_the_same(source, options):
    expected = collect((X, Y), **options)
    data = SOURCES[source]()
    acts = collect(data, batch_size=5, **options)
    assert_same_samples(acts, expected)
    if hasattr(data, "loaded"):
        assert set(data.loaded.values()) == {1}


# Each sample is loaded once, and none in vain.


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: DataLoader(data, batch_size=4)])
@pytest.mark.parametrize("key", [None, 0])
def test_where_labels_are_known_only_chosen_samples_are_loaded(wrap, key):
    data = Known()
    acts = collect(wrap(data), classes=[1, 2], samples_per_class=3, key=key)
    assert data.loaded == collections.Counter(acts.index.values.tolist())


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: DataLoader(data, batch_size=4)])
def test_reading_stops_when_every_class_is_full(wrap):
    data = Stream(endless=True)
    acts = collect(wrap(data), classes=[0, 1, 2], samples_per_class=3)
    assert acts.sizes["sample"] == 9
    needed = 1 + max(np.flatnonzero(label == Y)[2] for label in range(3))
    assert needed <= sum(data.loaded.values()) <= needed + 4


def test_known_labels_are_those_after_target_transform():
    data = Known()
    data.target_transform = lambda label: label % 2
    data.convert = lambda label: int(label) % 2
    acts = collect(data)
    np.testing.assert_array_equal(acts.label.values, np.sort(Y % 2))
    # As data sets do it themselves: by plain integers, also where the list is a tensor.
    data.targets = torch.from_numpy(Y)
    data.target_transform = {0: "a", 1: "b", 2: "c"}.__getitem__
    data.convert = lambda label: "abc"[label]
    np.testing.assert_array_equal(collect(data).label.values, np.array(list("abc"))[np.sort(Y)])


def test_known_labels_that_are_wrong_are_noticed():
    data = Known()
    data.targets[7] = (data.targets[7] + 1) % 3
    for wrapped in (data, DataLoader(data, batch_size=4)):
        with pytest.raises(ValueError, match="for item 7 in its list of labels, but the item itself has"):
            collect(wrapped)


# Sampling.


def test_a_draw_depends_on_its_key_its_class_and_nothing_else():
    few = collect((X, Y), samples_per_class=4, key=7)
    more = collect((X, Y), samples_per_class=6, key=7)
    alone = collect((X, Y), samples_per_class=4, key=7, classes=[2])
    other = collect((X, Y), samples_per_class=4, key=(7, 1))
    first = collect((X, Y), samples_per_class=4)
    assert set(few.index.values) < set(more.index.values)
    np.testing.assert_array_equal(few.index.values[few.label.values == 2], alone.index.values)
    assert set(few.index.values) != set(other.index.values)
    assert set(few.index.values) != set(first.index.values)


def test_classes_of_one_size_draw_other_places():
    drawn = [choose_positions([0, 1] * 50, [0, 1], 10, key) for key in range(20)]
    assert not any([p // 2 for p in zeros] == [p // 2 for p in ones] for zeros, ones in drawn)


def test_a_draw_is_uniform():
    """Of 10 positions 4 are drawn, 3,000 times: each comes 1,200 times, give or take 5 standard deviations."""
    drawn = collections.Counter(p for key in range(3000) for p in choose_positions([0] * 10, [0], 4, key)[0])
    deviation = np.sqrt(3000 * 0.4 * 0.6)
    assert all(abs(drawn[p] - 1200) < 5 * deviation for p in range(10))


def test_a_small_class_gives_what_it_has():
    y = np.array([0] * 25 + [1] * 5)
    acts = collect((X, y), samples_per_class=8)
    np.testing.assert_array_equal(np.bincount(acts.label.values), [8, 5])
    assert collect((X, y), samples_per_class=None).sizes["sample"] == N


def test_classes_stand_in_the_order_they_are_named():
    acts = collect((X, Y), classes=[2, 0], samples_per_class=2)
    assert acts.label.values.tolist() == [2, 2, 0, 0]


# Labels of every kind.


@pytest.mark.parametrize(
    "convert",
    [int, np.int64, np.uint8, torch.tensor, np.array, lambda y: torch.tensor(y, dtype=torch.uint8)],
    ids=["int", "int64", "uint8", "tensor", "array", "small tensor"],
)
@pytest.mark.parametrize("load", [False, True])
def test_labels_that_are_integers(convert, load):
    data = Plain(lambda y: convert(int(y)))
    acts = collect(DataLoader(data, batch_size=4) if load else data)
    assert acts.label.dtype == np.int64
    np.testing.assert_array_equal(acts.label.values, np.sort(Y))


@pytest.mark.parametrize("load", [False, True])
def test_labels_that_are_texts(load):
    names = np.array(["cat", "dog", "a bird"])
    data = Plain(lambda y: names[y])
    acts = collect(DataLoader(data, batch_size=4) if load else data)
    assert acts.label.dtype.kind == "U"
    np.testing.assert_array_equal(acts.label.values, np.sort(names[Y]))
    pair = collect((X, names[Y]), classes=["dog", "cat"], samples_per_class=2)
    assert pair.label.values.tolist() == ["dog", "dog", "cat", "cat"]


# Loaders: their own order, batches, collation and workers.


def sizes_seen(loader, **options):
    seen = []
    collect(loader, forward=lambda model, x: seen.append(len(x)) or model(x), **options)
    # Not that of the probe.
    return seen[1:]


def test_a_loader_keeps_its_batches():
    assert sizes_seen(DataLoader(Known(), batch_size=7)) == [7, 7, 7, 7, 2]
    assert sizes_seen(DataLoader(Known(), batch_size=7, drop_last=True)) == [7, 7, 7, 7]
    assert sizes_seen(DataLoader(Known(), batch_sampler=[[0, 1, 2], [3, 4, 5, 6]])) == [3, 4]
    assert sizes_seen(DataLoader(Plain(), batch_size=7)) == [7, 7, 7, 7, 2]


@pytest.mark.parametrize("kind", [Known, Plain])
def test_a_shuffled_loader_gives_positions_in_the_data_set(kind):
    loader = DataLoader(kind(), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(1))
    acts = collect(loader, samples_per_class=5)
    np.testing.assert_array_equal(acts["input"].values, X[acts.index.values])
    np.testing.assert_array_equal(acts.label.values, Y[acts.index.values])
    assert any((np.diff(acts.index.values[acts.label.values == label]) < 0).any() for label in range(3))
    # Its own generator is not used up.
    assert_same_samples(collect(loader, samples_per_class=5), acts)


SHUFFLED = {
    "loader": lambda data, generator: DataLoader(data, batch_size=4, shuffle=True, generator=generator),
    "sampler": lambda data, generator: DataLoader(data, batch_size=4, sampler=RandomSampler(data, generator=generator)),
    "weights": lambda data, generator: DataLoader(
        data, batch_size=4, sampler=WeightedRandomSampler([1.0] * N, N, replacement=False, generator=generator)
    ),
    "batch sampler": lambda data, generator: DataLoader(
        data, batch_sampler=BatchSampler(RandomSampler(data, generator=generator), 4, drop_last=False)
    ),
}


@pytest.mark.parametrize("where", SHUFFLED)
@pytest.mark.parametrize("kind", [Known, Plain])
def test_an_interrupt_leaves_the_generator_of_a_loader_as_it_was(kind, where):
    generator, calls = torch.Generator().manual_seed(1), []
    loader = SHUFFLED[where](kind(), generator)

    def interrupted(model, x):
        calls.append(len(x))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return model(x)

    before = generator.get_state()
    # The traceback is kept, and with it every reader that was at work.
    with pytest.raises(KeyboardInterrupt) as kept:
        collect(loader, forward=interrupted)
    assert kept.traceback
    assert torch.equal(generator.get_state(), before)


def double(items):
    """Collate as a caller would."""
    return torch.stack([x for x, _ in items]) * 2, [y for _, y in items]


@pytest.mark.parametrize("kind", [Known, Plain])
def test_a_loaders_collation_is_used(kind):
    acts = collect(DataLoader(kind(), batch_size=4, collate_fn=double))
    np.testing.assert_array_equal(acts["input"].values, 2 * X[acts.index.values])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Known, Plain, Stream])
def test_workers(kind):
    acts = collect(DataLoader(kind(), batch_size=4, num_workers=1))
    assert_same_samples(acts, collect((X, Y)))


@pytest.mark.slow
def test_an_item_that_fails_in_a_worker_is_named():
    class Broken(Known):
        def __getitem__(self, k):
            if k == 7:
                raise OSError("disk on fire")
            return super().__getitem__(k)

    with pytest.raises(ValueError, match="item 7 could not be loaded: OSError: disk on fire"):
        collect(DataLoader(Broken(), batch_size=4, num_workers=1))


# Several inputs from data sets.


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("load", [False, True])
def test_items_of_several_inputs(as_dict, load):
    class Several(Plain):
        def __getitem__(self, k):
            x, y = super().__getitem__(k)
            return ({"b": x[4:], "a": x[:4]} if as_dict else (x[:4], x[4:])), y

    data = DataLoader(Several(), batch_size=4) if load else Several()
    acts = collect(data, seeded(MultiInput))
    expected = collect(((X[:, :4], X[:, 4:]), Y), seeded(MultiInput))
    np.testing.assert_allclose(acts["right"].values, expected["right"].values, rtol=1e-5, atol=1e-6)


def test_an_image_folder(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    from PIL import Image

    for k, name in enumerate(["ant", "bee"] * 3):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 10 * k, np.uint8)).save(folder / f"{k}.png")
    raw = torchvision.datasets.ImageFolder(tmp_path)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    acts = collect(torchvision.datasets.ImageFolder(tmp_path, torchvision.transforms.ToTensor()), model)
    np.testing.assert_allclose(acts["input"].values[:, 0, 0, 0] * 255, [0, 20, 40, 10, 30, 50], atol=1e-4)
    with pytest.raises(TypeError, match="item 0 is of type Image, not a tensor"):
        collect(raw, model)
