"""Compare with the older tool's own results: its counts on thin layers, and all layers of its checkpoints."""

import gzip
from pathlib import Path

import numpy as np
import pytest

import hpfunc as hp
from tests.models import SeedCNN

DATA = Path(__file__).parents[1] / "data" / "older_tool.npz"
LAYERS = sorted({name.rpartition("/")[0] for name in np.load(DATA).files})

# The older tool numbered the calls of one module from 1.
OLDER = {
    "relu": "relu1", "relu_1": "relu2", "relu_2": "relu3", "maxpool": "maxpool1", "maxpool_1": "maxpool2",
}  # fmt: skip


def read_idx(path, header, shape):
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header).reshape(shape)


def test_the_layers_are_those_that_were_kept():
    assert LAYERS == [
        "0/test/fc2", "0/test/softmax", "0/train/fc2", "0/train/softmax",
        "6/test/fc1", "6/test/fc2", "6/test/softmax", "6/train/fc2", "6/train/softmax",
    ]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_thin_layers_have_the_counts_of_the_older_tool(layer):
    kept = np.load(DATA)
    results = hp.pairwise_hp(kept[f"{layer}/points"], np.repeat(np.arange(10), 40))
    np.testing.assert_array_equal(results.cross_edges, kept[f"{layer}/cross_edges"])
    np.testing.assert_array_equal(results.cross_edges_min, results.cross_edges_max)


@pytest.mark.slow
@pytest.mark.extra
def test_every_value_is_met_to_the_last_edge(further_data):
    folder, seed = further_data / "data" / "mnist", further_data / "seed"
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz", 16, (-1, 1, 28, 28)) / np.float32(255)
    labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz", 8, -1)
    data = {"train": (images[:5000], labels[:5000]), "test": (images[5000:], labels[5000:])}
    checkpoints = {0: seed / "conv0.ckpt", 6: seed / "conv6.ckpt"}
    older = hp.read_seed_results({0: seed / "preDict.json", 6: seed / "postDict.json"})

    runs = hp.sweep(checkpoints, data, build=SeedCNN, samples_per_class=40)

    runs = runs.assign_coords(layer=[OLDER.get(name, name) for name in runs.layer.values])
    assert runs.hp.size == older.hp.size == 1980
    assert runs.layer.values.tolist() == older.layer.values.tolist()
    expected = np.rint((1 - older.hp) * 40)
    wrong = (runs.cross_edges != expected).values
    assert not wrong.any(), [(runs.hp[tuple(at)].coords, expected[tuple(at)].item()) for at in np.argwhere(wrong)[:5]]
    # Each tree is the only one, so this is no matter of how ties are averaged.
    assert (runs.cross_edges_min == runs.cross_edges_max).all()
    np.testing.assert_allclose(runs.hp, older.hp, rtol=0, atol=1e-15)
    assert (runs.n_a == 40).all()
    assert (runs.n_b == 40).all()
