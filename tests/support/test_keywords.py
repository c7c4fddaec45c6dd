"""What public functions say of arguments that they do not take."""

import pytest

import hpfunc as hp

POINTS, LABELS = [0.0, 1.0, 8.0, 9.0], [0, 0, 1, 1]


@pytest.mark.parametrize("function", [hp.pairwise_hp, hp.sweep, hp.collect_activations])
def test_names_of_the_older_tool_lead_to_the_new_ones(function):
    with pytest.raises(TypeError, match=r"num_samples= is a name of the older tool .* write samples_per_class="):
        function(POINTS, LABELS, num_samples=2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("labels", r"labels= is a positional-only .* as in pairwise_hp\(activations, labels\)"),
        ("y", r"y= is an unexpected keyword argument; pairwise_hp\(activations, labels\) .* options pairs, metric, "),
        ("n", "n= is an unexpected keyword argument"),
    ],
)
def test_other_names_say_what_to_write(name, message):
    with pytest.raises(TypeError, match=message):
        hp.pairwise_hp(POINTS, **{name: LABELS})


def test_names_of_permutations_are_known_too():
    with pytest.raises(TypeError, match=r"batches= .* write batch_size="):
        hp.fisher_permutation([0.0], [1.0], batches=3)
    with pytest.raises(TypeError, match="missing 1 required"):
        hp.fisher_permutation([0.0])


def test_too_many_arguments_by_their_places_say_what_to_pass():
    with pytest.raises(
        TypeError, match=r"collect_activations\(model, data\) takes 2 .*not 3; .*one pair, \(inputs, labels\)"
    ):
        hp.collect_activations(None, POINTS, LABELS)
    with pytest.raises(TypeError, match=r"pairwise_hp\(activations, labels\) takes 2 .*not 3; pass options by name"):
        hp.pairwise_hp(POINTS, LABELS, "cosine")
    # A function of any number of arguments takes them all.
    assert hp.pca2d([[0.0, 1], [1, 0], [2, 2]], [[0.0, 1], [1, 0]], [[1.0, 1], [1, 2]]).sizes["sample"] == 7
