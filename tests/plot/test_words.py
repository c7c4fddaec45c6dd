"""Numbers and labels become words that read well."""

from __future__ import annotations

import pytest

from hpfunc._plot.parts.words import counted, fold_lines, plural
from hpfunc.plot import plot_layers, plot_trajectory
from tests.artists import sweep_like


@pytest.mark.parametrize(
    ("n", "word", "expected"),
    [
        (1, "pair", "1 pair"),
        (45, "pair", "45 pairs"),
        (1, "class", "1 class"),
        (10, "class", "10 classes"),
        (4950, "pair", "4,950 pairs"),
        (0, "layer", "0 layers"),
        (2, "entry", "2 entries"),
        (3, "day", "3 days"),
        (2, "box", "2 boxes"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_number_and_its_noun(n, word, expected):
    assert counted(n, word) == expected


def test_plural_of_an_empty_word_is_no_error():
    assert plural("") == "s"


@pytest.mark.parametrize(
    ("classes", "said"), [(2, "mean over 1 pair"), (3, "mean over 3 pairs"), (10, "mean over 45 pairs")]
)
@pytest.mark.parametrize("plot", [plot_layers, plot_trajectory])
def test_axis_counts_the_pairs(plot, classes, said):
    assert said in plot(sweep_like(classes=classes)).get_ylabel().split("\n")


@pytest.mark.parametrize("plot", [plot_layers, plot_trajectory])
def test_axis_counts_classes(plot):
    # What `multiclass_hp` returns has one value for each class.
    one_vs_rest = sweep_like(classes=5).hp.isel(pair=slice(3)).drop_vars(["class_a", "class_b"]).rename(pair="class")
    assert "mean over 3 classes" in plot(one_vs_rest).get_ylabel().split("\n")


def test_lines_fit_their_length():
    assert fold_lines("aaa bbb ccc ddd eee", 12 * 5.2) == "aaa bbb ccc\nddd eee"
    assert fold_lines("first\nsecond", 500) == "first\nsecond"
    # No word stands alone on a last line, and an empty title is one line.
    assert fold_lines("aaa bbb ccc ddd", 12 * 5.2) == "aaa bbb\nccc ddd"
    assert fold_lines("", 500) == ""
