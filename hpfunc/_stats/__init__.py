"""Statistics on plain arrays: estimates from counts, permutation tests, adjustment, principal components."""
