"""Cross edges of every pair of classes in every fold, from distances that all folds share.

`count_folds` is the door. A *part* is the set of points of one class in one fold of one repeat (`parts`). The distances
of two classes are computed once, and those of their parts are taken from them (`shared_bounds`); trees and counts are
those of `mst` and `pairs`, for which each part is a class.
"""
