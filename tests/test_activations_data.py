"""Data sets, loaders and arrays: the same samples, each loaded once, labels of any kind."""

import collections

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from hpfunc._torch.choose import choose_positions
from hpfunc.activations import collect_activations
from tests.models import Mlp, MultiInput, seeded

N = 30
RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((N, 6)).astype(np.float32)
Y = RANDOM.integers(0, 3, N)


class Plain(Dataset):
    """Samples that tell their labels when they are loaded, and a count of how often each was."""

    def __init__(self, convert=int):
        self.convert = convert
        self.loaded = collections.Counter()

    def __len__(self):
        return N

    def __getitem__(self, k):
        self.loaded[int(k)] += 1
        return torch.from_numpy(X[k]), self.convert(Y[k])


class Known(Plain):
    """The same with its labels at hand."""

    def __init__(self, attribute="targets"):
        super().__init__()
        setattr(self, attribute, Y.tolist())


class Stream(IterableDataset):
    """The same in one pass, without end."""

    def __init__(self, endless=False):
        self.loaded = collections.Counter()
        self.endless = endless

    def __iter__(self):
        while True:
            for k in range(N):
                self.loaded[k] += 1
                yield X[k], Y[k]
            if not self.endless:
                return


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


# 12: each sample is loaded once, and none in vain.


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


# 13: sampling.


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
    return seen[2:]


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


@pytest.mark.parametrize("kind", [Known, Plain])
def test_a_weighted_sampler_may_repeat_samples(kind):
    sampler = WeightedRandomSampler([30.0] + [1.0] * (N - 1), 60, generator=torch.Generator().manual_seed(0))
    acts = collect(DataLoader(kind(), batch_size=8, sampler=sampler))
    assert acts.sizes["sample"] == 60
    assert collections.Counter(acts.index.values.tolist()).most_common(1)[0][0] == 0
    np.testing.assert_array_equal(acts["input"].values, X[acts.index.values])


def double(items):
    """A collation of the caller's."""
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


# 10: several inputs from data sets.


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


# Bad input.


def test_a_class_without_samples_is_named():
    with pytest.raises(ValueError, match="no sample of class 7, 9; its labels are 0, 1, 2"):
        collect((X, Y), classes=[0, 7, 9])
    with pytest.raises(ValueError, match="no sample of class 'dog'; its labels are 0, 1, 2"):
        collect(Stream(), classes=[0, "dog"])


@pytest.mark.parametrize("classes", [[], [0, 0]])
def test_classes_that_make_no_sense(classes):
    with pytest.raises(ValueError, match="classes"):
        collect((X, Y), classes=classes)


@pytest.mark.parametrize("classes", [3, "ab", [0.5]])
def test_classes_of_another_type(classes):
    with pytest.raises(TypeError, match="classes"):
        collect((X, Y), classes=classes)


@pytest.mark.parametrize("label", [0.5, None, torch.zeros(2), b"a", [1]])
def test_labels_of_another_type_are_named_with_their_item(label):
    with pytest.raises(TypeError, match="item 0 of data has a label of type"):
        collect(Plain(lambda y: label))


def test_labels_of_a_wrong_shape():
    with pytest.raises(ValueError, match=r"x has shape \(30, 6\) and there are 29 labels"):
        collect((X, Y[:-1]))
    with pytest.raises(ValueError, match=r"labels has shape \(30, 1\)"):
        collect((X, Y[:, None]))
    with pytest.raises(TypeError, match="both int and str"):
        collect((X, [0, "a"] * 15))


def test_samples_of_different_sizes_are_named():
    class Ragged(Plain):
        def __getitem__(self, k):
            return torch.zeros(6 + (k == 4)), 0

    with pytest.raises(ValueError, match=r"item 4 has shape \(7,\), and item 0 has \(6,\)"):
        collect(Ragged())
    with pytest.raises(ValueError, match="batch 0 could not be loaded: RuntimeError: stack expects each tensor"):
        collect(DataLoader(Ragged(), batch_size=8))
    with pytest.raises(ValueError, match=r"layer 'input' has shape \(1, 7\) for this batch, after \(6,\)"):
        collect(Ragged(), batch_size=1, forward=lambda model, x: model(x[:, :6]))


def test_no_samples():
    for empty in ((X[:0], Y[:0]), [], Subset(Known(), []), DataLoader(Subset(Known(), []), batch_size=2)):
        with pytest.raises(ValueError, match="data is empty"):
            collect(empty)


@pytest.mark.parametrize("data", [3, None, X, (X,), (X, Y, Y), "folder"])
def test_data_of_another_kind(data):
    with pytest.raises((TypeError, ValueError), match="data"):
        collect(data)


def test_items_of_another_kind():
    for item in (3, (torch.zeros(6), 0, 1), {"x": torch.zeros(6), "y": 0}):
        with pytest.raises(TypeError, match=r"item 0 of data is .* expected \(x, label\)"):
            collect([item] * 3)


def test_a_stream_that_fails_is_named():
    class Broken(IterableDataset):
        def __iter__(self):
            yield X[0], 0
            yield X[1], 1
            raise OSError("disk on fire")

    with pytest.raises(ValueError, match="item 2 could not be loaded: OSError: disk on fire"):
        collect(Broken())


def test_a_loader_of_single_samples():
    with pytest.raises(ValueError, match="pass its data set instead"):
        collect(DataLoader(Known(), batch_size=None))


@pytest.mark.parametrize("x", [np.array([["a"]] * N), X.astype(complex), np.array([None] * N)])
def test_arrays_of_no_numbers(x):
    with pytest.raises(TypeError, match="data: x has dtype"):
        collect((x, Y))
