"""Points of every kind of spectrum, and directions of every kind, good and bad."""

import numpy as np

from hpfunc._tree.reduce.basis import orthonormalise


def hard_points(rng, sizes=(6, 40), most_tricks=2):
    """Two or three classes of points that are hard for a reduction, and a basis of their features, good or bad."""
    n, d, r = int(rng.integers(*sizes)), int(rng.choice([33, 64, 100, 200, 600])), int(rng.integers(1, 12))
    label = np.concatenate([[0, 1], rng.integers(0, rng.integers(2, 4), n - 2)])
    frame = np.linalg.qr(rng.normal(size=(d, r + 20)))[0]
    inside, outside = frame[:, :r], frame[:, r:]
    kind = rng.choice(["full", "rank 1", "rank r", "falling", "equal residuals", "outside", "residual ties"])
    if kind == "full":
        x = rng.normal(size=(n, d))
    elif kind == "rank 1":
        x = rng.normal(size=(n, 1)) @ inside[:, :1].T
    elif kind == "rank r":
        x = rng.normal(size=(n, r)) @ inside.T
    elif kind == "falling":
        x = (rng.normal(size=(n, r + 20)) * 0.7 ** np.arange(r + 20)) @ frame.T
    elif kind == "equal residuals":
        x = rng.normal(size=(n, r)) @ inside.T + outside[:, rng.integers(0, 20, n)].T * rng.choice([-1, 1], (n, 1))
    elif kind == "outside":
        x = rng.normal(size=r) @ inside.T + rng.normal(size=(n, 20)) @ outside.T
    else:
        x = np.round(rng.normal(size=(n, r))) @ np.eye(r, d) + np.eye(d)[r + np.arange(n) % (d - r)]
        inside = np.eye(d)[:, :r]
    for trick in rng.choice(7, size=rng.integers(0, most_tricks + 1), replace=False):
        if trick == 0:  # a huge offset
            x = x + 10.0 ** rng.integers(2, 8)
        elif trick == 1:  # tight classes, far apart
            x = x * 10.0 ** -rng.integers(2, 7) + rng.normal(size=(3, d))[label] * 10
        elif trick == 2:  # copies, within classes and between
            x = x[rng.integers(0, n, n)]
        elif trick == 3:  # a grid
            x = np.round(2 * x)
        elif trick == 4:  # a wide outlier
            x[rng.integers(n)] *= 10.0 ** rng.integers(1, 6)
        elif trick == 5:  # very small or very large numbers
            x = x * 2.0 ** rng.integers(-39, 40)
        elif trick == 6:  # one feature far from zero, the others where float32 has few digits left or none
            x = x * 2.0 ** -rng.integers(60, 150)
            x[:, 0] += 1
    x = x.astype(rng.choice([np.float32, np.float64]))
    return x, label, bad_or_good_basis(rng, x, inside, outside)


def bad_or_good_basis(rng, x, inside, outside):
    """Directions that hold the points, some of them, or none; and a centre near or far."""
    kind = rng.choice(["inside", "half", "outside", "random", "slanted", "points"])
    if kind == "inside":
        directions = inside
    elif kind == "half":
        directions = inside[:, : -(-inside.shape[1] // 2)]
    elif kind == "outside":
        directions = outside[:, :5]
    elif kind == "random":
        directions = rng.normal(size=(len(inside), inside.shape[1]))
    elif kind == "slanted":
        directions = inside + 1e-3 * rng.normal(size=inside.shape)
    else:
        directions = np.linalg.qr((x[1:6] - x[0]).astype(float).T + 1e-9 * rng.normal(size=(x.shape[1], 5)))[0]
    middle = x.mean(axis=0, dtype=np.float64) if rng.random() < 0.8 else x[0] + rng.normal(size=x.shape[1])
    centre = middle.astype(np.float32).astype(np.float32 if x.dtype == np.float32 else np.float64)
    basis = orthonormalise(centre, np.ascontiguousarray(directions, np.float32))
    if kind == "slanted":  # stored directions that are not quite orthonormal, and say so
        crooked = basis.directions * np.float32(1.01)
        departure = np.linalg.norm(crooked.T.astype(float) @ crooked - np.eye(crooked.shape[1])) * 1.01
        basis = basis._replace(directions=crooked, departure=departure)
    return basis
