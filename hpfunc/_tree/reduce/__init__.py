"""Few coordinates in place of many features, where they bound distances well enough: prune before multiplying.

Activations of real networks lie close to few directions. With orthonormal directions B, a centre c, coordinates
y = B^T (x - c) and the residual length rho = sqrt(|x - c|^2 - |y|^2), every distance is bounded from below:

    |y_i - y_j|^2 + (rho_i - rho_j)^2  <=  |x_i - x_j|^2

So the points (y, rho) of r + 1 coordinates take the place of the points of d features wherever lower bounds are wanted,
and what these bounds do not exclude is measured by direct differences. The directions decide how many edges are left,
never which of them belong to a tree: any B gives the same counts.

What flows in: the points of a layer. What flows out: a basis from a sample of the rows (`basis`); the coordinates and
their slack, which covers all rounding (`coordinates`), or the leading ones only (`leading`); the largest reduced
distance that an edge of a given weight may have (`limits`), and bounds of single edges by direct differences
(`direct`). The caller decides whether a reduction pays (`choose_reduction`).

Imports point one way: `leading` -> `coordinates` -> `basis`; `leading`, `limits` -> `direct`.
"""
