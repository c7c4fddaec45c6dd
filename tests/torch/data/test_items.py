"""Items, batches and arrays as people have them: triples, mappings, texts, and labels in any place."""

import collections
import dataclasses
import logging

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from hpfunc._torch.data.items import collate, split_item
from hpfunc.activations import collect_activations
from tests.models import Mlp, MultiInput, seeded
from tests.samples import N, X, Y

XT, YT = torch.from_numpy(X), torch.from_numpy(Y)
Pair = collections.namedtuple("Pair", "target image")


@dataclasses.dataclass
class Record:
    image: torch.Tensor
    label: int


class Items(Dataset):
    """Whatever a function makes of each sample."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return N

    def __getitem__(self, k):
        return self.make(k)


class Keywords(nn.Module):
    """A model that is called by keywords, as those of transformers are."""

    def __init__(self):
        super().__init__()
        self.mlp = seeded(Mlp)

    def forward(self, pixel_values=None, attention_mask=None, labels=None):
        assert labels is None
        return self.mlp(pixel_values if attention_mask is None else pixel_values * attention_mask)


def collect(data, model=None, **options):
    return collect_activations(model or seeded(Mlp), data, **options)


EXPECTED = collect((X, Y))


def assert_expected(acts, last="fc2"):
    first = "input" if "input" in acts else next(name for name in acts if name.startswith("input["))
    np.testing.assert_allclose(acts[first], EXPECTED["input"], rtol=1e-6)
    np.testing.assert_allclose(acts[last], EXPECTED["fc2"], rtol=1e-5, atol=1e-6)
    for name in ("label", "index"):
        np.testing.assert_array_equal(acts[name], EXPECTED[name])


TRIPLES = {
    "tensors": lambda: TensorDataset(XT, YT, torch.arange(N)),
    "file names": lambda: Items(lambda k: (XT[k], int(Y[k]), f"{k}.png")),
    "lists": lambda: Items(lambda k: [XT[k], int(Y[k]), {"id": k}]),
    "loader of tensors": lambda: DataLoader(TRIPLES["tensors"](), batch_size=8),
    "loader of file names": lambda: DataLoader(TRIPLES["file names"](), batch_size=8),
    "arrays": lambda: (X, Y, np.arange(N)),
}


@pytest.mark.parametrize("name", TRIPLES)
def test_what_follows_the_label_is_passed_over(name):
    assert_expected(collect(TRIPLES[name]()))


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (lambda k: (int(Y[k]), XT[k]), 0),
        (lambda k: (XT[k], f"{k}.png", int(Y[k])), lambda item: (item[0], item[2])),
        (lambda k: (XT[k], int(Y[k])), -1),
        (lambda k: {"x": XT[k], "kind": int(Y[k])}, "kind"),
        (lambda k: Pair(int(Y[k]), XT[k]), None),
        (lambda k: Pair(int(Y[k]), XT[k]), "target"),
        (lambda k: Pair(int(Y[k]), XT[k]), 0),
        (lambda k: Record(XT[k], int(Y[k])), None),
        (lambda k: {"deep": {"y": int(Y[k])}, "x": XT[k]}, lambda item: (item["x"], item["deep"]["y"])),
    ],
)
def test_an_option_says_where_the_label_is(make, label):
    assert_expected(collect(Items(make), label=label))
    acts = collect([make(k) for k in range(N)], label=label, samples_per_class=None)
    assert_expected(acts)


def test_several_inputs_stand_before_their_label():
    acts = collect(Items(lambda k: (XT[k, :4], XT[k, 4:], int(Y[k]))), seeded(MultiInput), label=2)
    expected = collect(((X[:, :4], X[:, 4:]), Y), seeded(MultiInput))
    np.testing.assert_allclose(acts["right"], expected["right"], rtol=1e-5, atol=1e-6)
    tensors = TensorDataset(XT[:, :4], XT[:, 4:], YT)
    assert collect(tensors, seeded(MultiInput), label=-1)["right"].equals(expected["right"])
    assert collect((XT[:, :4], XT[:, 4:], YT), seeded(MultiInput), label=2)["right"].equals(expected["right"])


def test_a_label_without_its_place_is_named():
    for data, label in (((X, Y), 5), ({"x": X, "y": Y}, "z"), (Items(lambda k: {"x": XT[k], "y": 0}), 1)):
        with pytest.raises(TypeError, match=r"no label at .* label= says where"):
            collect(data, label=label)
    with pytest.raises(TypeError, match=r"keys \['label', 'y'\], and each may be the label; say which"):
        collect(Items(lambda k: {"x": XT[k], "y": 0, "label": 1}))
    with pytest.raises(TypeError, match=r"label=True is not known"):
        collect((X, Y), label=True)
    with pytest.raises(TypeError, match=r"the function returned a int for item 0"):
        collect(Items(lambda k: (XT[k], 0)), label=lambda item: 3)
    # The second entry of a triple is the label, and inputs there are none.
    with pytest.raises(TypeError, match=r"item 0 of data has a label of type Tensor of shape \(2,\)"):
        collect(Items(lambda k: (XT[k, :4], XT[k, 4:], int(Y[k]))))


# ---- mappings


class Columns(Items):
    """Columns by name, as those of the package datasets are."""

    column_names = ("pixel_values", "label")

    def __init__(self):
        self.loaded = []

    def __getitem__(self, k):
        if isinstance(k, str):
            return {"pixel_values": XT, "label": Y.tolist()}[k]
        self.loaded.append(k)
        return {"pixel_values": XT[k], "label": int(Y[k])}


MAPPINGS = {
    "items": lambda: Items(lambda k: {"pixel_values": XT[k], "labels": int(Y[k])}),
    "columns": Columns,
    "loader": lambda: DataLoader(MAPPINGS["items"](), batch_size=8),
    "loader of columns": lambda: DataLoader(Columns(), batch_size=8),
    "arrays": lambda: {"pixel_values": X, "labels": Y},
    "masked": lambda: {"pixel_values": X, "attention_mask": np.ones_like(X), "labels": Y},
    "masked items": lambda: Items(
        lambda k: {"pixel_values": XT[k], "attention_mask": XT[k] * 0 + 1, "label": int(Y[k])}
    ),
    "file names": lambda: Items(lambda k: {"pixel_values": XT[k], "labels": int(Y[k]), "path": f"{k}.png"}),
    "lists of numbers": lambda: Items(lambda k: {"pixel_values": X[k].tolist(), "labels": int(Y[k])}),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_mappings_work_as_they_stand(name):
    acts = collect(MAPPINGS[name](), Keywords())
    assert_expected(acts, "mlp.fc2")


def test_only_chosen_rows_of_columns_are_loaded():
    data = Columns()
    acts = collect(data, Keywords(), samples_per_class=2)
    assert sorted(data.loaded) == sorted(acts.index.values.tolist())


@pytest.mark.parametrize("method", ["hooks", "fx"])
def test_a_single_input_of_another_name_goes_by_position(method):
    acts = collect({"image": X, "label": Y}, method=method)
    np.testing.assert_allclose(acts["fc2"], EXPECTED["fc2"], rtol=1e-5, atol=1e-6)


def test_inputs_that_the_model_does_not_take_are_left_out_and_logged(caplog):
    with caplog.at_level(logging.INFO, "hpfunc"):
        collect(MAPPINGS["file names"](), Keywords())
    assert "does not take the inputs 'path'" in caplog.text


@pytest.mark.parametrize("load", [lambda data: data, lambda data: DataLoader(data, 7)])
def test_the_single_tensor_among_unknown_inputs_goes_by_position(load):
    model = seeded(lambda: nn.Linear(6, 2))
    items = Items(lambda k: {"image": X[k], "label": int(Y[k]), "path": f"{k}.png"})
    acts = collect(load(items), model, layers=["output"])
    with torch.no_grad():
        np.testing.assert_allclose(acts["output"], model(torch.from_numpy(X[acts.index.values])), rtol=1e-5, atol=1e-6)
    several = Items(lambda k: {"image": X[k], "label": int(Y[k]), "size": 3})
    with pytest.raises(TypeError, match=r"none of the inputs 'image', 'size' by name; pass forward=.*x\['image'\]"):
        collect(load(several), model)


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors")
def test_items_without_a_dense_form_say_what_to_pass():
    sparse = pytest.importorskip("scipy.sparse")
    masked = torch.masked.masked_tensor(torch.ones(6), torch.arange(6) > 2)
    for x, words in (
        (sparse.csr_array(X[:1]), r"item \d+ is a sparse csr_array.*toarray"),
        (np.ma.masked_less(X[0], X[0].mean()), r"item \d+ has \d masked entries"),
        (masked, r"item \d+ has 3 masked entries"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            collect(Items(lambda k, x=x: (x, int(Y[k]))), seeded(lambda: nn.Linear(6, 2)))
    with pytest.raises(TypeError, match=r"data: x: a torch\.sparse_coo tensor.*to_dense"):
        collect((torch.from_numpy(X).to_sparse(), Y), seeded(lambda: nn.Linear(6, 2)))


# ---- lists of images


class OfSeveralSizes(Dataset):
    """Deliver images of three channels, each of another size."""

    def __len__(self):
        return 12

    def __getitem__(self, k):
        return torch.full((3, 4 + k, 5), float(k)), k % 2


class TakesLists(nn.Module):
    """Bring a list of images to one size, as detectors do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, images, targets=None):
        return self.conv(torch.stack([image[:, :4] for image in images]))


def listed_images(batch_size, known=True):
    data = OfSeveralSizes()
    if known:
        data.targets = [k % 2 for k in range(12)]
    return DataLoader(data, batch_size, collate_fn=lambda items: ([x for x, _ in items], [y for _, y in items]))


@pytest.mark.parametrize("known", [True, False])
def test_lists_of_images(known):
    model = seeded(TakesLists)
    acts = collect(listed_images(4, known), model, layers=["conv"], forward=lambda model, images: model(images))
    with torch.no_grad():
        expected = model([torch.full((3, 4, 5), float(k)) for k in acts.index.values])
    np.testing.assert_allclose(acts["conv"], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(TypeError) as caught:
        collect(listed_images(4, known), model)
    assert any("pass forward=lambda model, x: model(x)" in note for note in caught.value.__notes__)
    # Three images of three channels may be three inputs of three samples.
    with pytest.raises(ValueError, match="which may be 3 samples or 3 inputs; choose another batch size"):
        collect(listed_images(3, known), model, forward=lambda model, images: model(images))


# ---- texts


class Letters(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.EmbeddingBag(128, 4)

    def forward(self, ids, offsets):
        return self.embed(ids, offsets)


def tokenise(model, texts):
    assert isinstance(texts, list)
    assert all(isinstance(text, str) for text in texts)
    ids = [[ord(letter) for letter in text] for text in texts]
    return model(
        torch.tensor([i for letters in ids for i in letters]), torch.tensor([0, *map(len, ids[:-1])]).cumsum(0)
    )


def text_collate(items):
    return [text for text, _ in items], [y for _, y in items]


TEXTS = [f"{'red' if y else 'blue'} {k:02d}" + "!" * (k % 4) for k, y in enumerate(Y)]


@pytest.mark.parametrize(
    "data",
    [
        (TEXTS, Y), Items(lambda k: (TEXTS[k], int(Y[k]))), DataLoader(Items(lambda k: (TEXTS[k], int(Y[k]))), 8),
        (tuple(TEXTS), Y), (np.array(TEXTS), Y), (np.array(TEXTS, np.dtypes.StringDType()), Y), (pd.Series(TEXTS), Y),
        DataLoader(Items(lambda k: (TEXTS[k], int(Y[k]))), 7, collate_fn=text_collate),
    ],
    ids=["arrays", "items", "loader", "tuple", "NumPy", "StringDType", "pandas", "own collation"],
)  # fmt: skip
def test_texts_go_to_a_forward_that_tokenises_them(data):
    model = seeded(Letters)
    acts = collect(data, model, forward=tokenise, layers=["embed"], batch_size=5)
    with torch.no_grad():
        expected = tokenise(model, [TEXTS[k] for k in acts.index.values])
    np.testing.assert_allclose(acts["embed"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(acts.label, np.sort(Y))


# ---- arrays of every layout


LAYOUTS = {
    "big-endian": X.astype(">f4"), "reversed": X[::-1][::-1],
    "columns reversed": np.ascontiguousarray(X[:, ::-1])[:, ::-1],
    "float64": X.astype("f8"), "Fortran": np.asfortranarray(X), "frame": pd.DataFrame(X), "read-only": X.copy(),
    "DataArray": xr.DataArray(X, dims=("sample", "f")), "transposed": xr.DataArray(X.T, dims=("f", "sample")),
    "nested lists": X.tolist(), "masked": np.ma.masked_greater(X, 99),
}  # fmt: skip
LAYOUTS["read-only"].flags.writeable = False


@pytest.mark.parametrize("name", LAYOUTS)
def test_arrays_of_every_layout(name):
    assert_expected(collect((LAYOUTS[name], Y)))


@pytest.mark.parametrize("name", ["big-endian", "columns reversed", "float64", "Fortran", "read-only"])
@pytest.mark.parametrize("load", [False, True])
def test_items_of_every_layout(name, load):
    rows = LAYOUTS[name]
    data = Items(lambda k: (rows[k], Y[k]))
    assert_expected(collect(DataLoader(data, 4, collate_fn=list_collate) if load else data))


def list_collate(items):
    return collate([x for x, _ in items], range(len(items))), [y for _, y in items]


def test_labels_follow_the_index_of_a_frame():
    order = np.random.default_rng(0).permutation(N)
    acts = collect((pd.DataFrame(X), pd.Series(Y).iloc[order]))
    assert_expected(acts)
    with pytest.raises(ValueError, match="label the samples differently"):
        collect((pd.DataFrame(X), pd.Series(Y, index=range(1, N + 1))))
    with pytest.raises(ValueError, match="data: x has 30 masked"):
        collect((np.ma.masked_array(X, np.broadcast_to(np.arange(6) == 2, X.shape)), Y))


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_torchs_defaults_change_nothing(device):
    for data in ((X, Y), Items(lambda k: (X[k], Y[k])), Items(lambda k: ([float(v) for v in X[k]], int(Y[k])))):
        before = torch.get_default_dtype()
        torch.set_default_device(device)
        torch.set_default_dtype(torch.float64)
        try:
            acts = collect(data, MLP)
        finally:
            torch.set_default_device(None)
            torch.set_default_dtype(before)
        assert_expected(acts)


MLP = seeded(Mlp)


# ---- the parts


def test_items_are_split():
    assert split_item((1, 2), None, "x") == (1, 2)
    assert split_item((1, 2, 3), None, "x") == (1, 2)
    assert split_item((1, 2, 3), 2, "x") == ((1, 2), 3)
    assert split_item((1, 2, 3), 0, "x") == ((2, 3), 1)
    assert split_item({"a": 1, "y": 2}, None, "x") == ({"a": 1}, 2)


def test_batches_are_stacked_as_torch_would():
    samples = [{"a": XT[k], "b": (float(k), np.float32(k), k, f"{k}")} for k in range(3)]
    batch = collate(samples, range(3))
    expected = torch.utils.data.default_collate(samples)
    torch.testing.assert_close(batch["a"], expected["a"])
    for found, wanted in zip(batch["b"], expected["b"], strict=True):
        assert list(found) == list(wanted)
        assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None)
