"""
Ties: more than one shortest tree
=================================

Equal distances leave a choice between trees. hpfunc takes the mean over all of them.
"""

# %%
# On a square grid, each point has neighbours at equal distances, and the grid has very many minimum spanning trees. The
# left and the right half of the grid are the two classes. Depending on the tree, between 1 and 5 of the edges cross.
import numpy as np

import hpfunc as hp

left = np.stack(np.meshgrid([0, 1, 2], np.arange(5)), axis=-1).reshape(-1, 2)
right = left + np.array([3, 0])
result = hp.hp_statistic(left, right)
print("mean over all trees:", float(result.cross_edges))
print("least and most:", float(result.cross_edges_min), float(result.cross_edges_max))

# %%
# A program that takes one tree gets one of these numbers, which depends on the order of the samples. Layers do this as
# well: a dead ReLU or a saturated softmax gives many samples the same values.
rng = np.random.default_rng(0)
relu = np.maximum(rng.normal(size=(200, 3)) - 1.5, 0)
labels = np.repeat([0, 1], 100)
print("samples that are all zero:", int((relu == 0).all(axis=1).sum()))
print(hp.pairwise_hp(relu, labels)[["cross_edges", "cross_edges_min", "cross_edges_max"]])
