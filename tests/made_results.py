"""Make results by hand, for the tests of functions that take results."""

import itertools

import numpy as np
import xarray as xr
from hypothesis import strategies as st

from hpfunc._labels.schema import SWEEP_DIMS
from hpfunc.results import label_pairs

# Names as networks and data sets have them. NumPy drops a NUL at the end of a string.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=5)


def make_results(classes=(0, 1, 2, 3), checkpoints=(0, 9), *, pairs=None, offset=0.0):
    """Make results in which every value tells its place, and ``n_a`` and ``n_b`` tell the class."""
    pairs = list(itertools.combinations(classes, 2)) if pairs is None else pairs
    shape = len(checkpoints), 2, 3, len(pairs)
    hp = offset + np.arange(np.prod(shape)).reshape(shape) / 1000
    size = {label: 10 + at for at, label in enumerate(classes)}
    return label_pairs(
        xr.Dataset(
            {
                "cross_edges": (SWEEP_DIMS, 2 * hp, {"long_name": "Cross edges", "units": "1"}),
                "hp": (SWEEP_DIMS, hp, {"long_name": "Henze-Penrose statistic", "units": "1"}),
                "n_a": (SWEEP_DIMS, np.broadcast_to([size[a] for a, _ in pairs], shape)),
                "n_b": (SWEEP_DIMS, np.broadcast_to([size[b] for _, b in pairs], shape)),
            },
            coords={
                "checkpoint": list(checkpoints),
                "split": ["train", "test"],
                "layer": ["input", "conv1", "a_much_longer_layer"],
                "n_features": ("layer", [4, 8, 2]),
                "class_a": ("pair", [a for a, _ in pairs]),
                "class_b": ("pair", [b for _, b in pairs]),
            },
            attrs={"metric": "euclidean", "graph": "mst", "k": 1, "hpfunc_version": "0.1.0"},
        )
    )


@st.composite
def stored_pairs(draw):
    """Draw classes of one kind and some of their pairs, each stored in one of its two orders."""
    kind = draw(st.sampled_from([st.integers(-3, 99), NAMES]))
    classes = draw(st.lists(kind, min_size=2, max_size=6, unique=True))
    every = list(itertools.combinations(classes, 2))
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=len(every), unique=True))
    return classes, [pair[:: draw(st.sampled_from([1, -1]))] for pair in chosen]


def labelled(pairs):
    """Give some pairs of classes numbers by their place."""
    coords = {"class_a": ("pair", [a for a, _ in pairs]), "class_b": ("pair", [b for _, b in pairs])}
    return label_pairs(xr.DataArray(np.arange(len(pairs)), dims="pair", coords=coords, name="place"))
