"""
Dimension: compare like with like
=================================

At a fixed number of samples, HP falls as the number of features rises, although the classes stay as far apart.
"""

# %%
# Two normal classes whose means are three standard deviations apart along one axis. All further features are noise.
import matplotlib.pyplot as plt
import numpy as np

import hpfunc as hp

rng = np.random.default_rng(0)
widths = [1, 3, 10, 30, 100, 300, 1000]
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for n in (25, 100, 400):
    means = []
    for width in widths:
        x, y = rng.normal(size=(2, n, width))
        y[:, 0] += 3
        means.append(float(hp.hp_statistic(x, y).hp))
    axis.plot(widths, means, marker="o", label=f"{n} samples of each class")
axis.set_xscale("log")
axis.set_xlabel("Features")
axis.set_ylabel("HP")
axis.legend()

# %%
# So a step between layers of different width is partly an effect of width. It is fair to compare one layer before and
# after training, at the same number of samples of each class.
