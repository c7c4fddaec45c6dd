"""A sample that comes more than once counts once, and rows are told apart whatever a loader's collation does."""

import collections
import warnings

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

import hpfunc as hp
from hpfunc._torch.data.repeats import base_item, first_places
from hpfunc.activations import collect_activations
from tests.models import Mlp, seeded
from tests.samples import Known, N, Plain, Stream, X, Y


def collect(data, model=None, **options):
    return collect_activations(model or seeded(Mlp), data, **options)


def weighted(count=60):
    return WeightedRandomSampler([30.0] + [1.0] * (N - 1), count, generator=torch.Generator().manual_seed(0))


# ---- repeated samples


@pytest.mark.parametrize("kind", [Known, Plain])
def test_a_sample_that_a_sampler_repeats_counts_once(kind):
    data = kind()
    sampler = weighted()
    drawn = list(sampler)
    sampler.generator.manual_seed(0)
    acts = collect(DataLoader(data, batch_size=8, sampler=sampler))
    assert max(collections.Counter(drawn).values()) > 10
    assert sorted(acts.index.values) == sorted(set(drawn))
    np.testing.assert_array_equal(acts["input"], X[acts.index])
    np.testing.assert_array_equal(acts.label, Y[acts.index])
    assert set(data.loaded.values()) == {1}


def test_noise_drawn_with_replacement_looks_like_noise():
    torch.manual_seed(0)
    x, y = torch.randn(60, 10), torch.tensor([0] * 50 + [1] * 10)
    data, weights = TensorDataset(x, y), torch.where(y == 0, 1 / 50, 1 / 10)
    loader = DataLoader(data, 20, sampler=WeightedRandomSampler(weights, 4000))
    expected = hp.pairwise_hp(collect(data, nn.Identity(), layers=["input"]))
    found = hp.pairwise_hp(collect(loader, nn.Identity(), layers=["input"]))
    assert (int(found.n_a[0, 0]), int(found.n_b[0, 0])) == (50, 10)
    assert float(found.hp[0, 0]) == float(expected.hp[0, 0])


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: DataLoader(data, batch_size=4)])
@pytest.mark.parametrize("kind", [Known, Plain])
def test_a_subset_that_repeats_items_counts_them_once(kind, wrap):
    rows = [0, 3, 3, 5, 0, 7, 11, 2]
    subset = Subset(kind(), rows)
    acts = collect(wrap(subset))
    # Positions are those in the subset.
    assert sorted(acts.index.values) == [0, 1, 3, 5, 6, 7]
    np.testing.assert_array_equal(acts["input"], X[np.array(rows)[acts.index]])


def test_the_innermost_item_is_found():
    data = Known()
    joined = ConcatDataset([Subset(data, [4, 5]), Subset(data, [5, 6])])
    assert [base_item(joined, k) for k in range(4)] == [(id(data), k) for k in (4, 5, 5, 6)]
    assert base_item(joined, -1) == base_item(joined, 3)
    assert first_places(joined, range(4)) == [0, 1, 3]
    assert first_places([1, 1], range(2)) == [0, 1]


class Drawn(IterableDataset):
    """Rows of a table in an order of its own, some of them more than once."""

    def __init__(self, x, y, order):
        self.x, self.y, self.order = x, y, order

    def __iter__(self):
        return ((self.x[k], int(self.y[k])) for k in self.order)


REPEATED = np.random.default_rng(0).integers(0, 8, 60)


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: DataLoader(data, batch_size=7)])
def test_values_repeated_beyond_chance_are_warned_of(wrap):
    with pytest.warns(UserWarning, match=r"\d+ of \d+ samples of class \d equal another one, more than chance"):
        collect(wrap(Drawn(X, Y, REPEATED)))


def test_values_that_repeat_by_chance_are_no_reason_to_warn():
    random = np.random.default_rng(0)
    tables = {
        "plain": X,
        "one-hot": np.eye(6, dtype=np.float32)[random.integers(0, 6, N)],
        "bits": random.integers(0, 2, (N, 6)).astype(np.float32),
        "constant": np.zeros((N, 6), np.float32),
    }
    for name, table in tables.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            acts = collect(Drawn(table, Y, range(N)))
        assert acts.sizes["sample"] == N, name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collect(Stream())


# ---- collations


LENGTHS = np.random.default_rng(1).integers(2, 9, 64)
LABELS = np.random.default_rng(2).integers(0, 2, 64)


class Sequences(Dataset):
    """Item i is i everywhere and of a length of its own, so that what ``index`` says can be checked."""

    def __init__(self, known, broken=()):
        self.broken = broken
        if known:
            self.targets = LABELS.tolist()

    def __len__(self):
        return 64

    def __getitem__(self, i):
        return None if i in self.broken else (torch.full((int(LENGTHS[i]),), float(i)), int(LABELS[i]))


def pad(items, width=9):
    rows = [nn.functional.pad(x, (0, width - len(x))) for x, _ in items]
    return torch.stack(rows), torch.tensor([y for _, y in items])


def pad_to_longest(items):
    return pad(items, max(len(x) for x, _ in items))


def longest_first(items):
    return pad(sorted(items, key=lambda item: -len(item[0])))


def whole_only(items):
    return pad([item for item in items if item is not None])


def shuffled(items):
    return pad([items[k] for k in torch.randperm(len(items))])


def by_class(items):
    return pad(sorted(items, key=lambda item: item[1]))


def as_mapping(items):
    x, y = longest_first(items)
    return {"x": x, "labels": y}


def other_labels(items):
    """Names for labels, and the order of the lengths: the items can no longer be told."""
    items = sorted(items, key=lambda item: -len(item[0]))
    return pad(items)[0], [{0: "zero", 1: "one"}[y] for _, y in items]


def check_rows(acts):
    """Compare what stands in the rows with what ``index`` and ``label`` say."""
    name = next(name for name in acts if name.startswith("input"))
    seen = acts[name].values[:, 0].astype(int)
    np.testing.assert_array_equal(seen, acts.index)
    np.testing.assert_array_equal(LABELS[seen], acts.label)


@pytest.mark.parametrize("collation", [pad, longest_first, shuffled, as_mapping])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("options", [{}, {"samples_per_class": 9}, {"samples_per_class": 9, "key": 0}])
def test_the_index_is_right_where_a_collation_sorts(known, collation, options):
    model = nn.Identity() if collation is not as_mapping else Named()
    acts = collect(DataLoader(Sequences(known), 8, collate_fn=collation), model, layers=["input"], **options)
    check_rows(acts)
    assert acts.sizes["sample"] == (64 if not options else 18)


class Named(nn.Identity):
    def forward(self, x):
        return x


def test_the_index_is_right_where_a_collation_sorts_a_shuffled_loader():
    loader = DataLoader(Sequences(False), 8, shuffle=True, collate_fn=longest_first)
    check_rows(collect(loader, nn.Identity(), layers=["input"]))


@pytest.mark.parametrize("broken", [(3, 17), tuple(range(8)), (0,)])
def test_the_index_is_right_where_a_collation_drops_items(broken):
    loader = DataLoader(Sequences(False, broken), 16, collate_fn=whole_only)
    acts = collect(loader, nn.Identity(), layers=["input"])
    check_rows(acts)
    assert set(range(64)) - set(acts.index.values) == set(broken)


def test_dropped_items_with_listed_labels_are_named():
    loader = DataLoader(Sequences(True, (3, 17)), 8, collate_fn=whole_only)
    with pytest.raises(ValueError, match=r"made 7 rows of 8 samples and left out item 3; .*Subset"):
        collect(loader, nn.Identity(), layers=["input"])


def test_there_is_no_index_where_a_collation_hides_the_items():
    acts = collect(DataLoader(Sequences(False), 8, collate_fn=other_labels), nn.Identity(), layers=["input"])
    assert "index" not in acts.coords
    seen = acts["input"].values[:, 0].astype(int)
    np.testing.assert_array_equal(np.array(["zero", "one"])[LABELS[seen]], acts.label)
    hp.pairwise_hp(acts)


def test_a_collation_that_sorts_by_class_is_never_wrong():
    acts = collect(DataLoader(Sequences(False), 8, collate_fn=by_class), nn.Identity(), layers=["input"])
    if "index" in acts.coords:
        check_rows(acts)
    seen = acts["input"].values[:, 0].astype(int)
    np.testing.assert_array_equal(LABELS[seen], acts.label)
    # Where the labels are listed beforehand, the collation is to blame, not the list.
    with pytest.raises(ValueError, match=r"which item each row .* the loader's collate_fn sorts by the labels"):
        collect(DataLoader(Sequences(True), 8, collate_fn=by_class), nn.Identity(), layers=["input"])


@pytest.mark.slow
def test_a_collation_that_sorts_in_workers():
    loader = DataLoader(Sequences(False), 8, collate_fn=longest_first, num_workers=2)
    check_rows(collect(loader, nn.Identity(), layers=["input"]))


# ---- padded batches


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(64, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, ids):
        return self.fc((self.embed(ids) * (ids > 0)[..., None]).sum(1))


class Words(Sequences):
    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x.long(), y


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("options", [{}, {"samples_per_class": 5}])
def test_padded_batches(known, options):
    model = seeded(Embedding)
    loader = DataLoader(Words(known), 8, collate_fn=pad_to_longest)
    acts = collect(loader, model, layers=["fc"], **options)
    with torch.no_grad():
        expected = [model(torch.full((1, int(LENGTHS[k])), int(k)))[0].numpy() for k in acts.index.values]
    np.testing.assert_allclose(acts["fc"], expected, rtol=1e-5, atol=1e-6)
    reduced = collect(loader, model, reduce={"embed": lambda v: v.sum(1)}, layers=["embed", "fc"], **options)
    assert reduced["embed"].shape == (acts.sizes["sample"], 3)


class PaddedStream(IterableDataset):
    def __iter__(self):
        return iter([(torch.full((int(LENGTHS[i]),), int(i)), int(LABELS[i])) for i in range(64)])


def test_padded_batches_of_a_stream():
    model = seeded(Embedding)
    acts = collect(DataLoader(PaddedStream(), 8, collate_fn=pad_to_longest), model, layers=["fc"])
    with torch.no_grad():
        expected = [model(torch.full((1, int(LENGTHS[k])), int(k)))[0].numpy() for k in acts.index.values]
    np.testing.assert_allclose(acts["fc"], expected, rtol=1e-5, atol=1e-6)


# ---- batches of the caller's size


def sizes_run(loader, **options):
    seen = []
    collect(loader, nn.Identity(), layers=["input"], forward=lambda m, x: seen.append(len(x)) or m(x), **options)
    return seen


@pytest.mark.parametrize("kind", [Known, Plain])
def test_chosen_samples_fill_the_loaders_batches(kind):
    """Batches that held one chosen sample each were run so, and squeeze() then took the axis of the samples away."""
    sizes = sizes_run(DataLoader(kind(), batch_size=6), samples_per_class=5)
    assert sizes[-3:] == [6, 6, 6]
    # The loader's own last batch has two samples.
    assert sizes_run(DataLoader(kind(), batch_size=7), samples_per_class=5)[-3:] == [7, 7, 2]


class OfSix(nn.Module):
    """Have the size of a batch built in."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 3)

    def forward(self, x):
        assert len(x) == 6
        return self.fc1(x).sort(1).values


@pytest.mark.parametrize("kind", [Known, Plain])
@pytest.mark.parametrize("per_class", [1, 5])
def test_a_batch_of_chosen_samples_is_filled_up(kind, per_class):
    """A loader whose batches are all of six: three chosen samples, or fifteen, were run by three."""
    model = seeded(OfSix)
    acts = collect(DataLoader(kind(), batch_size=6), model, samples_per_class=per_class, layers=["fc1", "output"])
    assert acts.sizes["sample"] == 3 * per_class
    with torch.no_grad():
        expected = model.fc1(torch.from_numpy(X[acts.index.values]))
    np.testing.assert_allclose(acts["fc1"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(acts["output"], expected.sort(1).values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(acts.label, Y[acts.index.values])
