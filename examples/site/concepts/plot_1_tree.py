"""
A tree that counts neighbours
=============================

The Henze-Penrose statistic asks how many edges of a minimum spanning tree join different classes.
"""

# %%
# Draw two classes of 40 samples each, at three distances, and join all samples of both classes by the shortest tree,
# the minimum spanning tree. Edges within a class are pale, edges between the classes are dark.
import matplotlib.pyplot as plt
import numpy as np

import hpfunc as hp

rng = np.random.default_rng(1)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for axis, shift in zip(axes, (0, 1.5, 5), strict=True):
    x, y = rng.normal(size=(40, 2)), rng.normal([shift, 0], 1, (40, 2))
    points, labels = np.concatenate([x, y]), np.repeat([0, 1], 40)
    tree = hp.euclidean_mst(points)
    for source, target in zip(tree.source.values, tree.target.values, strict=True):
        crosses = labels[source] != labels[target]
        axis.plot(*points[[source, target]].T, color="black" if crosses else "0.8", linewidth=1.5 if crosses else 1)
    axis.scatter(*x.T, s=18, zorder=3)
    axis.scatter(*y.T, s=18, marker="s", zorder=3)
    result = hp.hp_statistic(x, y)
    axis.set_title(f"{int(result.cross_edges)} of 79 edges cross, HP = {float(result.hp):.2f}")
    axis.set_axis_off()

# %%
# With R cross edges and m and n samples of the two classes, HP = 1 - R (m + n) / (2 m n). At least one edge must join
# the classes, so n samples of each class give at most 1 - 1/n. Where both classes have one distribution, about half of
# the edges cross, and HP is near 0. For large samples it tends to a divergence of the two distributions.
print(hp.hp_statistic(x, y))
