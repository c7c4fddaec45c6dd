"""The older tool's files, in and out."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpfunc.results import read_seed_results, write_seed_results
from tests.made_results import NAMES, make_results


def entries(classes=(0, 1, 2), splits=("train", "test"), layers=("initial", "conv1")):
    numbers = itertools.count(1)
    return {
        f"{pair} {split}": {f"Euclid {layer}": next(numbers) / 100 for layer in layers}
        for pair in itertools.combinations(classes, 2)
        for split in splits
    }


def test_older_files_are_read_by_name(tmp_path):
    content = entries()
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "b.json").write_text(json.dumps(dict(reversed(content.items()))))
    runs = read_seed_results({"before": tmp_path / "a.json", "after": str(tmp_path / "b.json")})
    assert dict(runs.sizes) == {"checkpoint": 2, "split": 2, "layer": 2, "pair": 3}
    assert list(runs.data_vars) == ["hp"]
    assert runs.hp.dtype == np.float64
    assert runs.attrs == {"metric": "euclidean"}
    assert runs.layer.values.tolist() == ["input", "conv1"]
    for stage, (a, b), split, layer in itertools.product(
        ("before", "after"), itertools.combinations(range(3), 2), ("train", "test"), ("input", "conv1")
    ):
        found = runs.hp.sel(checkpoint=stage, split=split, layer=layer, class_a=b, class_b=a)
        assert found == content[f"({a}, {b}) {split}"][f"Euclid {layer.replace('input', 'initial')}"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("(0, 10) a split", (0, 10)),
        ("(-1, 1) x", (-1, 1)),
        ("(cat, 0) x", ("cat", "0")),
        ("(01, 1) x", ("01", "1")),
        ("('0', '1') x", ("0", "1")),
        ("""('it\\'s', "a, (b) é") x""", ("it's", "a, (b) é")),
    ],
)
def test_labels_are_integers_where_all_of_them_are(tmp_path, key, expected):
    (tmp_path / "a.json").write_text(json.dumps({key: {"Euclid fc": 0.5}}))
    runs = read_seed_results({0: tmp_path / "a.json"})
    assert (runs.class_a.values.tolist()[0], runs.class_b.values.tolist()[0]) == expected


@settings(max_examples=50, deadline=None)
@given(
    st.one_of(
        st.lists(st.integers(-99, 99), min_size=2, max_size=4, unique=True),
        st.lists(NAMES, min_size=2, max_size=4, unique=True),
    ),
    st.lists(st.floats(0, 1), min_size=36, max_size=36),
)
def test_older_files_give_back_what_was_written(tmp_path_factory, classes, numbers):
    results = make_results(tuple(classes), (3,))[["hp"]].drop_vars("n_features")
    results["hp"] = results.hp.copy(data=np.array(numbers)[: results.hp.size].reshape(results.hp.shape))
    [file] = write_seed_results(results, tmp_path_factory.mktemp("json"))
    again = read_seed_results({3: file})
    assert again.hp.drop_attrs().equals(results.hp.drop_attrs())
    assert "\n" not in file.read_text()


@pytest.mark.extra
def test_real_older_files_come_back_byte_by_byte(further_data, tmp_path):
    files = {"pre": further_data / "seed" / "preDict.json", "post": further_data / "seed" / "postDict.json"}
    runs = read_seed_results(files)
    assert dict(runs.sizes) == {"checkpoint": 2, "split": 2, "layer": 11, "pair": 45}
    assert runs.hp.sel(checkpoint="pre", split="test", layer="fc2", class_a=1, class_b=0) == 0.925
    for path, original in zip(write_seed_results(runs, tmp_path / "new"), files.values(), strict=True):
        assert path.read_bytes() == original.read_bytes()


GOOD = {"(0, 1) train": {"Euclid initial": 0.5}, "(0, 2) train": {"Euclid initial": 0.5}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a result file"),
        ('{"(0, 1) train": {"Euclid initial": 0.5}', "not a result file"),
        ("[1, 2]", "expected a JSON object"),
        ("{}", "expected a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"(0, 1) train": {"Euclid initial": NaN}}', "NaN is not a number"),
        ('{"(0, 1) train": {"Euclid initial": Infinity}}', "Infinity"),
        (
            '{"(0, 1) train": {"Euclid initial": 0.5, "Euclid initial": 0.6}}',
            "'Euclid initial' is there twice",
        ),
        ('{"(0, 1) train": {"Euclid initial": 0.5}, "(0, 1) train": {}}', "twice"),
        ('{"(0, 1) train": {"Euclid initial": 1e400}}', r"\(0, 1\) train.*inf is not a number from 0 to 1"),
        ('{"(0, 1) train": {"Euclid initial": -0.5}}', "-0.5 is not a number"),
        ('{"(0, 1) train": {"Euclid initial": true}}', "True is not a number"),
        ('{"(0, 1) train": {"Euclid initial": "0.5"}}', "'0.5' is not a number"),
        ('{"(0, 1) train": {"Euclid initial": ' + "1" * 5000 + "}}", "a.json"),
        ('{"(0, 1) train": {"Cosine initial": 0.5, "Euclid fc": 0.5}}', r"the metrics \['Cosine', 'Euclid'\]"),
        ('{"(0, 1) train": {"Euclid": 0.5}}', "expected a metric, such as 'Euclid '"),
        ('{"(0, 1) train": {" initial": 0.5}}', "expected a metric, such as 'Euclid '"),
        ('{"(0, 1) train": {"Euclid ": 0.5}}', "expected a metric, such as 'Euclid '"),
        ('{"(0, 1) train": {"Euclid initial": 0.5, "Euclid input": 0.5}}', "layer 'input' is there twice"),
        ('{"(0, 1) train": {}}', "a value for each layer"),
        ('{"(0, 1) train": 0.5}', "a value for each layer"),
        ('{"(0, 1)": {"Euclid initial": 0.5}}', r"'\(0, 1\)' is not of the form"),
        ('{"0, 1 train": {"Euclid initial": 0.5}}', "is not of the form"),
        ('{"(0, 1, 2) train": {"Euclid initial": 0.5}}', "is not of the form"),
        (r"""{"('\\U11111111', 'b') train": {"Euclid initial": 0.5}}""", "is not of the form"),
        (r"""{"('a\\x00', 'b') train": {"Euclid initial": 0.5}}""", "NUL"),
        (r"""{"(0, 1) tr\u0000": {"Euclid initial": 0.5}}""", "NUL"),
        (r"""{"(0, 1) train": {"Euclid fc\u0000": 0.5}}""", "NUL"),
        ('{"(1, 1) train": {"Euclid initial": 0.5}}', "with itself"),
        ('{"(0, 1) t": {"Euclid fc": 0.5}, "(1, 0) t": {"Euclid fc": 0.5}}', "there already"),
        (json.dumps(GOOD | {"(0, 1) test": {"Euclid initial": 0.5}}), r"'\(0, 2\) test' is missing"),
        (
            json.dumps(GOOD | {"(1, 2) train": {"Euclid fc": 0.5}}),
            r"\(1, 2\) train' .*layers \['fc', 'input'\]",
        ),
    ],
)
def test_malformed_older_files_are_named(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        read_seed_results({0: tmp_path / "a.json"})
    assert "a.json" in str(error.value)


def test_older_files_that_cannot_be_read_are_named(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ValueError, match=path.name):
            read_seed_results({0: path})
    (tmp_path / "latin.json").write_bytes(b'{"(\xe9, a) train": {"Euclid initial": 0.5}}')
    with pytest.raises(ValueError, match="latin"):
        read_seed_results({0: tmp_path / "latin.json"})


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (entries(classes=(0, 1)), r"pair \(0, 2\), \(1, 2\)"),
        (entries(layers=("initial", "fc")), "layer 'conv1', 'fc'"),
        (entries(splits=("train",)), "split 'test'"),
    ],
)
def test_older_files_that_differ_are_an_error(tmp_path, other, words):
    (tmp_path / "a.json").write_text(json.dumps(entries()))
    (tmp_path / "b.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match=words):
        read_seed_results({0: tmp_path / "a.json", 1: tmp_path / "b.json"})


@pytest.mark.parametrize(
    ("stages", "error"),
    [
        ({}, ValueError),
        ([1], TypeError),
        ({0.5: "a"}, TypeError),
        ({0: "a", "b": "c"}, TypeError),
        ({True: "a"}, TypeError),
    ],
)
def test_stages_are_a_mapping_from_labels(stages, error):
    with pytest.raises(error, match="stages"):
        read_seed_results(stages)


def test_nothing_is_overwritten(tmp_path):
    runs = make_results()
    (tmp_path / "9.json").write_text("mine")
    with pytest.raises(ValueError, match=r"9\.json exists"):
        write_seed_results(runs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["9.json"]
    assert (tmp_path / "9.json").read_text() == "mine"


DEVICES = ["NUL", "con", "Com1", "LPT¹", "nul.old", "aux ", "PRN .x"]


@pytest.mark.parametrize(
    "label", ["../x", "a/b", "a\\b", "", ".", "..", ".hidden", "a\0b", "C:x", "x" * 300, "a\nb", *DEVICES]
)
def test_labels_never_become_paths(tmp_path, label):
    runs = make_results(checkpoints=("fine", "other")).assign_coords(checkpoint=["fine", label])
    if "\0" in label:
        # NumPy would drop it only at the end of a string.
        assert "\0" in runs.checkpoint.values[1]
    with pytest.raises(ValueError, match="cannot name a file"):
        write_seed_results(runs, tmp_path / "folder")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda r: r.hp, TypeError, "DataArray"),
        (lambda r: r.drop_vars("hp"), ValueError, "no such variable"),
        (lambda r: r.isel(checkpoint=0), ValueError, "must hold hp with the dims"),
        (lambda r: r.assign(hp=r.hp.where(r.hp > 0)), ValueError, "nan at .*'layer': 'input'"),
        (lambda r: r.assign(hp=r.hp - 0.01), ValueError, "from 0 to 1"),
        (lambda r: r.assign_attrs(metric="cos ine"), ValueError, "metric='cos ine'"),
        (lambda r: r.drop_attrs(), ValueError, "metric=None"),
        (lambda r: r.assign_attrs(graph="knn"), ValueError, "graph"),
        (lambda r: r.assign_attrs(k=3), ValueError, "graph"),
        (lambda r: r.assign_coords(layer=["input", "initial", "x"]), ValueError, "'initial'"),
        (lambda r: r.assign_coords(checkpoint=["a", "A"]), ValueError, "upper and lower case"),
    ],
)
def test_what_the_older_form_cannot_hold_is_refused(tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        write_seed_results(change(make_results()), tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_an_unusable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file"):
        write_seed_results(make_results(), tmp_path / "file")


# ---- metrics and layers


@pytest.mark.parametrize(
    ("prefix", "metric"), [("Euclid", "euclidean"), ("Cosine", "cosine"), ("L1", "L1"), ("é", "é")]
)
def test_every_metric_is_read_and_written(tmp_path, prefix, metric):
    text = json.dumps({"(0, 1) train": {f"{prefix} initial": 0.5, f"{prefix} fc": 0.25}})
    (tmp_path / "a.json").write_text(text)
    runs = read_seed_results({0: tmp_path / "a.json"})
    assert runs.attrs == {"metric": metric}
    assert runs.layer.values.tolist() == ["input", "fc"]
    [file] = write_seed_results(runs, tmp_path / "new")
    assert file.read_text() == text


def test_files_of_two_metrics_are_an_error(tmp_path):
    for prefix in ("Euclid", "Cosine"):
        (tmp_path / prefix).write_text(json.dumps({"(0, 1) train": {f"{prefix} fc": 0.5}}))
    with pytest.raises(ValueError, match="differ in their metric, 'euclidean' and 'cosine'"):
        read_seed_results({0: tmp_path / "Euclid", 1: tmp_path / "Cosine"})


OLDER = ["initial", "conv1", "relu1", "maxpool1", "conv2", "relu2", "maxpool2", "fc1", "relu3", "fc2", "softmax"]
HOOKS = ["input", "conv1", "relu", "maxpool", "conv2", "relu_1", "maxpool_1", "fc1", "relu_2", "fc2", "softmax"]


@pytest.mark.parametrize(
    "layers",
    [HOOKS, np.array(HOOKS), (*HOOKS, "flatten"), dict(zip(OLDER[1:], HOOKS[1:], strict=True))],
    ids=["list", "array", "more", "mapping"],
)
def test_layers_take_the_names_that_hooks_give_them(tmp_path, layers):
    content = entries(layers=OLDER)
    (tmp_path / "a.json").write_text(json.dumps(content))
    older = read_seed_results({0: tmp_path / "a.json"}, layers=layers)
    assert older.layer.values.tolist() == HOOKS
    assert (
        older.hp.sel(layer="relu_2", class_a=0, class_b=1, split="test", checkpoint=0)
        == content["(0, 1) test"]["Euclid relu3"]
    )
    # All layers are there when it is compared with a result of hooks.
    new = older.assign_coords(checkpoint=[0]) + 0.5
    assert (new - older).sizes["layer"] == len(HOOKS)
    assert read_seed_results({0: tmp_path / "a.json"}, layers=new.layer).identical(older)


@pytest.mark.parametrize(
    ("layers", "error", "words"),
    [
        ("hooks", TypeError, "neither a mapping from old to new names nor a list"),
        (3, TypeError, "neither a mapping"),
        (["input", "conv"], ValueError, r"no name for \['relu1'"),
        ({"relu": "x"}, ValueError, "renames 'relu', which is not in the files"),
        ({"relu1": "conv1"}, ValueError, "the name 'conv1' to more than one layer"),
    ],
)
def test_names_that_do_not_fit_are_an_error(tmp_path, layers, error, words):
    (tmp_path / "a.json").write_text(json.dumps(entries(layers=("initial", "conv1", "relu1"))))
    with pytest.raises(error, match=words):
        read_seed_results({0: tmp_path / "a.json"}, layers=layers)
