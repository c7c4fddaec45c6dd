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
