"""Pairs of classes by name, in either order, through all that xarray does."""

import copy
import itertools
import operator
import pickle

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from hpfunc._labels.pair_index import PairIndex
from hpfunc.results import label_pairs
from tests.made_results import labelled, make_results, stored_pairs


@settings(max_examples=60, deadline=None)
@given(stored_pairs())
def test_either_order_is_the_same_entry_and_what_is_not_there_is_an_error(drawn):
    classes, pairs = drawn
    values = labelled(pairs)
    place = {frozenset(pair): at for at, pair in enumerate(pairs)}
    known = set(itertools.chain(*pairs))
    for a, b in itertools.product(classes, classes):
        if frozenset([a, b]) in place:
            found = values.sel(class_a=a, class_b=b)
            assert found.item() == place[frozenset([a, b])]
            assert (found.class_a.item(), found.class_b.item()) == pairs[found.item()]
        else:
            with pytest.raises(KeyError) as error:
                values.sel(class_a=a, class_b=b)
            strange = [label for label in (a, b) if label not in known]
            assert repr(strange[0] if strange else a) in error.value.args[0]


@settings(max_examples=60, deadline=None)
@given(stored_pairs())
def test_one_class_is_meant_in_its_place_and_keeps_the_dim(drawn):
    classes, pairs = drawn
    values = labelled(pairs)
    for name, label in itertools.product(("class_a", "class_b"), classes):
        expected = [at for at, pair in enumerate(pairs) if pair[name == "class_b"] == label]
        if expected:
            assert values.sel({name: label}).values.tolist() == expected
        else:
            with pytest.raises(KeyError, match="class"):
                values.sel({name: label})
    firsts = list(dict.fromkeys(a for a, _ in pairs))[::-1]
    expected = [at for label in firsts for at, (a, _) in enumerate(pairs) if a == label]
    assert values.sel(class_a=firsts).values.tolist() == expected


@settings(max_examples=60, deadline=None)
@given(stored_pairs(), st.data())
def test_taking_by_position_and_concatenating_keep_the_index(drawn, data):
    _, pairs = drawn
    values = labelled(pairs)
    order = data.draw(st.permutations(range(len(pairs))))
    cut = data.draw(st.integers(0, len(pairs)))
    moved = values.isel(pair=order)
    parts = [part for part in (moved[:cut], moved[cut:]) if part.size]
    for result in (moved, xr.concat(parts, "pair", join="exact"), moved.roll(pair=cut, roll_coords=True)):
        for at, (a, b) in enumerate(pairs):
            assert result.sel(class_a=b, class_b=a).item() == at


@settings(max_examples=60, deadline=None)
@given(stored_pairs(), st.data())
def test_alignment_matches_pairs_by_name(drawn, data):
    _, pairs = drawn
    some = st.lists(st.sampled_from(range(len(pairs))), min_size=1, unique=True)
    first, second = data.draw(some), data.draw(some)
    values = labelled(pairs).astype(float)
    one, two = values.isel(pair=first), values.isel(pair=second)
    for join, expected in (
        ("inner", [at for at in first if at in second]),
        ("outer", first + [at for at in second if at not in first]),
        ("left", first),
        ("right", second),
    ):
        aligned = xr.align(one, two, join=join)
        for result, given_places in zip(aligned, (first, second), strict=True):
            assert isinstance(result.xindexes["class_a"], PairIndex)
            assert list(zip(result.class_a.values, result.class_b.values, strict=True)) == [
                pairs[at] for at in expected
            ]
            np.testing.assert_array_equal(result, [at if at in given_places else np.nan for at in expected])
    assert ((one - two) == 0).all()
    if first == second:
        xr.align(one, two, join="exact")
    else:
        with pytest.raises(ValueError, match="exact"):
            xr.align(one, two, join="exact")


def test_lists_select_every_pair_between_them_once():
    values = labelled(list(itertools.combinations(range(5), 2)))
    found = values.sel(class_a=[4, 1], class_b=[1, 2, 4])
    pairs = list(zip(found.class_a.values.tolist(), found.class_b.values.tolist(), strict=True))
    assert pairs == [(1, 4), (2, 4), (1, 2)]
    assert values.sel(class_a=[3], class_b=1).dims == ("pair",)
    with pytest.raises(KeyError, match="two different classes"):
        values.sel(class_a=[3], class_b=[3])


def test_strings_of_every_dtype_select():
    pairs = labelled([("a", "b"), ("a", "c"), ("b", "c")])
    for dtype in (np.str_, object, np.dtypes.StringDType(), np.bytes_):
        assert pairs.sel(class_a=np.array(["a", "b"], dtype), class_b=np.array(["c"], dtype)).values.tolist() == [1, 2]
    # Classes of that dtype become strings of fixed width.
    plain = pairs.drop_indexes(["class_a", "class_b"])
    wide = plain.assign_coords(class_a=("pair", plain.class_a.values.astype(np.dtypes.StringDType())))
    assert label_pairs(wide).class_a.dtype.kind == "U"


def test_data_arrays_select_pair_by_pair():
    results = make_results()
    a = xr.DataArray([3, 0], dims="chosen", coords={"chosen": ["x", "y"]})
    found = results.hp.sel(class_a=a, class_b=a.copy(data=[1, 2]), layer="conv1")
    assert found.dims == ("checkpoint", "split", "chosen")
    for name, pair in (("x", (1, 3)), ("y", (0, 2))):
        other = results.hp.sel(class_a=pair[0], class_b=pair[1], layer="conv1")
        np.testing.assert_array_equal(found.sel(chosen=name), other)
    assert results.sel(class_a=results.class_b, class_b=results.class_a).identical(results)


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ({"class_a": 99, "class_b": 0}, KeyError, "class 99 .* 0, 1, 2, 3"),
        ({"class_a": "1", "class_b": 0}, KeyError, "class '1' .*integers"),
        ({"class_a": 1.0}, KeyError, r"1\.0"),
        ({"class_a": True}, KeyError, "True"),
        ({"class_a": [1, "x"]}, KeyError, "'1'"),
        ({"class_a": 3}, KeyError, "only as class_b"),
        ({"class_a": 2, "class_b": 2}, KeyError, "two different classes"),
        ({"class_a": slice(1, 2)}, TypeError, "slice"),
        ({"class_a": [[0, 1]], "class_b": 2}, ValueError, "flat list"),
        ({"class_a": 1, "class_b": 2, "method": "nearest"}, ValueError, "method="),
    ],
)
def test_what_cannot_be_selected_is_named(labels, error, words):
    with pytest.raises(error, match=words):
        make_results().sel(**labels)


def test_a_pair_that_is_there_twice_cannot_be_selected():
    results = make_results()
    with pytest.raises(KeyError, match=r"\(0, 1\) stands more than once"):
        results.isel(pair=[0, 0, 1]).sel(class_a=0, class_b=1)
    turned = label_pairs(results.drop_indexes(["class_a", "class_b"]).rename(class_a="class_b", class_b="class_a"))
    both = xr.concat([results, turned], "pair", join="exact", data_vars="all")
    with pytest.raises(KeyError, match="both orders"):
        both.sel(class_a=0, class_b=1)
    with pytest.raises(ValueError, match="one order here"):
        results + turned


def test_long_lists_of_classes_are_cut_in_errors():
    with pytest.raises(KeyError, match=r"\.\.\. \(40 in all\)"):
        labelled([(a, a + 1) for a in range(39)]).sel(class_a=99)


def test_label_pairs_is_idempotent_and_changes_nothing():
    plain = make_results().drop_indexes(["class_a", "class_b"])
    before = plain.copy(deep=True)
    results = label_pairs(plain)
    assert plain.identical(before)
    assert "class_a" not in plain.xindexes
    assert label_pairs(results) is results
    assert results.hp.variable._data is plain.hp.variable._data


def test_coords_under_the_index_cannot_be_written_to():
    classes = np.array(["cat", "dog"])
    pairs = label_pairs(
        xr.DataArray([1.0, 2.0], dims="pair", coords={"class_a": ("pair", classes), "class_b": ("pair", ["x", "y"])})
    )
    classes[0] = "fox"
    assert pairs.sel(class_a="cat", class_b="x") == 1
    with pytest.raises(ValueError, match="read-only"):
        pairs.class_a.values[0] = "fox"


@pytest.mark.parametrize(
    ("coords", "error", "words"),
    [
        ({"class_a": ("pair", [0, 1])}, ValueError, "no coord 'class_b'"),
        ({"class_a": 0, "class_b": ("pair", [1, 2])}, ValueError, "'class_a' has the dims"),
        (
            {"class_a": ("pair", [0.0, 1.0]), "class_b": ("pair", [1, 2])},
            TypeError,
            "class_a has dtype float64",
        ),
        ({"class_a": ("pair", ["a", "b"]), "class_b": ("pair", [1, 2])}, TypeError, "both"),
        ({"class_a": ("pair", [0, 1]), "class_b": ("pair", [1, 1])}, ValueError, "pairs class 1 with itself"),
    ],
)
def test_label_pairs_says_what_is_wrong_with_the_coords(coords, error, words):
    with pytest.raises(error, match=words):
        label_pairs(xr.DataArray([0.5, 0.6], dims="pair", coords=coords))


def test_label_pairs_wants_xarray():
    with pytest.raises(TypeError, match="ndarray"):
        label_pairs(np.zeros(3))


@pytest.mark.parametrize("classes", [(0, 1, 2, 3), ("cat", "dog", "emu", "fox")])
@pytest.mark.parametrize(
    "change",
    [
        copy.copy,
        copy.deepcopy,
        lambda r: r.copy(deep=True),
        lambda r: pickle.loads(pickle.dumps(r)),
        lambda r: xr.merge([r[["hp"]], r.drop_vars("hp")], combine_attrs="override", join="exact"),
        lambda r: label_pairs(r.drop_indexes(["class_a", "class_b"])),
    ],
)
def test_copies_are_the_same_and_still_select(classes, change):
    results = make_results(classes)
    other = change(results)
    assert other.identical(results)
    chosen = other.sel(class_a=classes[3], class_b=classes[1])
    assert chosen.identical(results.sel(class_a=classes[1], class_b=classes[3]))


def test_what_xarray_does_with_other_dims_keeps_the_index():
    results = make_results()
    for other in (
        results.mean("layer"),
        results.isel(split=0),
        results.expand_dims(repeat=[1]),
        results.sortby("class_b"),
        results.where(results.class_a > 0, drop=True),
        results.hp.groupby("class_a").map(operator.neg),
        results.rename(hp="separation"),
    ):
        assert other.sel(class_a=3, class_b=1).identical(other.sel(class_a=1, class_b=3))
    renamed = results.rename(class_a="first", class_b="second", pair="couple")
    np.testing.assert_array_equal(renamed.hp.sel(first=3, second=1), results.hp.sel(class_a=1, class_b=3))
    assert results.mean("pair").coords.keys() == {"checkpoint", "split", "layer", "n_features"}


def test_what_xarray_flattens_keeps_the_classes():
    results = make_results()
    stacked = results.hp.stack(entry=("layer", "pair"))
    assert stacked.sel(layer="conv1").class_b.values.tolist() == results.class_b.values.tolist()
    frame = results.hp.isel(checkpoint=0, split=0).drop_indexes(["class_a", "class_b"]).to_dataframe()
    assert frame.loc[("conv1", 5), ["class_a", "class_b"]].tolist() == [2, 3]
    assert list(results.indexes["class_a"]) == list(itertools.combinations(range(4), 2))
    assert "PairIndex" in repr(results.xindexes)
    assert "6 pairs" in results._repr_html_()
    with pytest.raises(ValueError, match="corrupt"):
        results.drop_vars("class_a")


def test_pairs_can_be_concatenated_over_checkpoints():
    one, two = (make_results(checkpoints=[at], offset=at) for at in (0, 7))
    both = xr.concat([one, two], "checkpoint", join="exact", data_vars="minimal")
    assert both.hp.sel(checkpoint=7, class_a=3, class_b=2).identical(both.hp.sel(checkpoint=7, class_a=2, class_b=3))
    np.testing.assert_array_equal(both.hp.sel(checkpoint=7), two.hp.isel(checkpoint=0))
    with pytest.raises(TypeError, match="integer classes"):
        xr.concat([one, make_results(tuple("abcd"), checkpoints=[0])], "pair", join="exact")


# ---- all that xarray does


NOTHING = [[], np.array([], int), np.zeros(6, bool), slice(0), xr.DataArray(np.array([], int), dims="pair")]


@pytest.mark.parametrize("empty", NOTHING)
def test_nothing_can_be_selected(empty):
    results = make_results()
    for found in (results.isel(pair=empty), results.hp[..., empty]):
        assert found.sizes["pair"] == 0
        assert isinstance(found.xindexes["class_a"], PairIndex)
        assert found.class_a.dtype == results.class_a.dtype
        assert xr.concat([found, found], "pair", join="exact").sizes["pair"] == 0
        assert found.sel(class_a=[]).sizes["pair"] == 0
        with pytest.raises(KeyError, match="class 0 is not known"):
            found.sel(class_a=0, class_b=1)
    for found in (results.sel(class_a=[]), results.sel(class_a=[], class_b=[]), results.sel(class_a=[], class_b=3)):
        assert found.sizes["pair"] == 0


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "int32", "uint64", "<U9"])
def test_dtypes_attrs_and_encodings_of_the_classes_survive(dtype):
    plain = make_results().drop_indexes(["class_a", "class_b"])
    plain = plain.assign_coords(class_a=plain.class_a.astype(dtype), class_b=plain.class_b.astype(dtype))
    plain.class_a.attrs["long_name"] = "First class"
    plain.class_b.encoding["zlib"] = True
    results = label_pairs(plain)
    some, rest = results.isel(pair=[3, 0]), results.isel(pair=[1])
    joined = xr.concat([some, rest], "pair", join="exact", data_vars="all")
    aligned = xr.align(results, some, join="outer")[1]
    turned = results.roll(pair=1, roll_coords=True)
    copied = pickle.loads(pickle.dumps(results))
    for other in (results, some, turned, results.rename(pair="couple"), joined, aligned, copied):
        assert other.class_a.dtype == other.class_b.dtype == plain.class_a.dtype
        assert other.class_a.attrs == {"long_name": "First class"}
    for other in (results, some, results.copy(deep=True)):
        assert other.class_b.encoding == {"zlib": True}
    label = (1).__class__ if dtype != "<U9" else str
    assert results.sel(class_a=label(3), class_b=label(1)).hp.equals(plain.isel(pair=4).hp)


STEPS = {
    "take": lambda r, at: r.isel(pair=[at % max(r.sizes["pair"], 1)] * 2 if r.sizes["pair"] else []),
    "some": lambda r, at: r.isel(pair=np.flatnonzero(np.arange(r.sizes["pair"]) % (at + 1) == 0)),
    "mask": lambda r, at: r.isel(pair=np.arange(r.sizes["pair"]) % 3 != at % 3),
    "variable": lambda r, at: r.isel(pair=xr.Variable("pair", np.arange(r.sizes["pair"])[::-1])),
    "slice": lambda r, at: r.isel(pair=slice(at % 3, None, -1 if at % 2 else 2)),
    "one and back": lambda r, at: r.isel(pair=[0]).squeeze("pair").expand_dims("pair"),
    "head": lambda r, at: r.head(pair=at),
    "tail": lambda r, at: r.tail(pair=3),
    "thin": lambda r, at: r.thin(pair=1 + at % 2),
    "sort": lambda r, at: r.sortby(["class_b", "class_a"], ascending=bool(at % 2)),
    "roll": lambda r, at: r.roll(pair=at, roll_coords=bool(at % 2)),
    "shift": lambda r, at: r.shift(pair=at % 3),
    "turn": lambda r, at: r.transpose("pair", ...) if at % 2 else r.transpose(..., "pair"),
    "halves": lambda r, at: xr.concat([r.isel(pair=slice(at, None)), r.isel(pair=slice(at))], "pair", join="exact"),
    "seeds": lambda r, at: xr.concat([r, r + 1], "seed", join="exact") if "seed" not in r.dims else r.isel(seed=at % 2),
    "where": lambda r, at: r.where(r.class_a != at % 4, drop=True),
    "mask values": lambda r, at: r.where(r > 0.01),
    "mean": lambda r, at: r.mean("split", keep_attrs=True) if "split" in r.dims else r,
    "more": lambda r, at: r.assign_coords(width=("pair", np.arange(r.sizes["pair"]))),
    "less": lambda r, at: r.drop_isel(pair=[0]),
    "arithmetic": lambda r, at: r - r.isel({d: 0 for d in r.dims if d != "pair"}, drop=True),
    "diff": lambda r, at: r.diff("pair", label=("upper", "lower")[at % 2]),
    "pad": lambda r, at: r.pad(layer=1) if "layer" in r.dims else r,
    "rolling": lambda r, at: r.rolling(pair=2).mean(),
    "fill": lambda r, at: r.fillna(0),
    "copy": lambda r, at: pickle.loads(pickle.dumps(r.copy(deep=bool(at % 2)))),
    "dataset": lambda r, at: r.to_dataset(name="hp").assign(other=r.max("pair")).hp,
    "groups": lambda r, at: r.groupby("class_a").map(operator.neg),
    "stack": lambda r, at: r.stack(entry=("layer", "pair")).isel(entry=slice(3)) if "layer" in r.dims else r,
    "points": lambda r, at: r.isel(pair=xr.DataArray([0, at % 2], dims="point")),
    "drop": lambda r, at: r.dropna("pair"),
}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5)), min_size=1, max_size=7))
def test_a_walk_through_xarray_ends_where_it_ends_without_the_index(steps):
    """Values, coords and attrs are those of the same steps without the index, and what is indexed can be selected."""
    with_index = make_results().hp
    without = with_index.drop_indexes(["class_a", "class_b"])
    for name, at in steps:
        results = []
        for values in (with_index, without):
            try:
                results.append(STEPS[name](values, at))
            except Exception as error:
                results.append(error)
        if isinstance(results[1], Exception):
            assert type(results[0]) is type(results[1]), (name, at, results)
            return
        assert not isinstance(results[0], Exception), (name, at, results)
        with_index, without = results
        kept = [n for n in ("class_a", "class_b") if isinstance(with_index.xindexes.get(n), PairIndex)]
        assert with_index.drop_indexes(kept).identical(without), (name, at)
    if kept and with_index.dims.count("pair"):
        pairs = list(zip(with_index.class_a.values.tolist(), with_index.class_b.values.tolist(), strict=True))
        for place, (a, b) in enumerate(pairs):
            if pairs.count((a, b)) == 1:
                assert with_index.sel(class_a=b, class_b=a).equals(with_index.isel(pair=place))


def test_what_a_multiindex_refuses_this_index_refuses_too():
    coords = {"class_a": ("pair", [0, 0, 1]), "class_b": ("pair", [1, 2, 2])}
    values = xr.Dataset({"hp": ("pair", [0.9, 0.8, 0.7])}, coords)
    pairs, levels = label_pairs(values), values.set_index(pair=["class_a", "class_b"])
    for dataset in (pairs, levels):
        with pytest.raises(ValueError, match="would corrupt the following index"):
            dataset.assign_coords(class_a=("pair", [5, 6, 7]))
    with pytest.raises(ValueError, match="would corrupt the following index"):
        pairs.query(pair="class_a == 0")
    plain = pairs.drop_indexes(["class_a", "class_b"])
    assert label_pairs(plain.query(pair="class_a == 0")).hp.values.tolist() == [0.9, 0.8]
    assert pairs.assign_coords(class_a=("pair", [5, 6, 7]), class_b=("pair", [8, 9, 9])).class_a.values.tolist() == [
        5,
        6,
        7,
    ]
