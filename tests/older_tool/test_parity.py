"""The older tool's own results, from the checkpoints that it measured."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from hpfunc.results import read_seed_results
from hpfunc.sweep import sweep
from tests.models import SeedCNN

SHARED = Path(__file__).resolve().parents[3] / "shared"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SHARED / "seed").is_dir(), reason=f"the older tool's checkpoints are not at {SHARED}"),
]

# The older tool numbered the calls of one module from 1.
OLDER = {
    "relu": "relu1", "relu_1": "relu2", "relu_2": "relu3", "maxpool": "maxpool1", "maxpool_1": "maxpool2",
}  # fmt: skip


def read_idx(path, header, shape):
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header).reshape(shape)


def test_every_value_is_met_to_the_last_edge():
    folder = SHARED / "data" / "mnist"
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz", 16, (-1, 1, 28, 28)) / np.float32(255)
    labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz", 8, -1)
    data = {"train": (images[:5000], labels[:5000]), "test": (images[5000:], labels[5000:])}
    checkpoints = {0: SHARED / "seed" / "conv0.ckpt", 6: SHARED / "seed" / "conv6.ckpt"}
    older = read_seed_results({0: SHARED / "seed" / "preDict.json", 6: SHARED / "seed" / "postDict.json"})

    runs = sweep(checkpoints, data, build=SeedCNN, samples_per_class=40)

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
