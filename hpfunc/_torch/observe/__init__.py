"""Observe a model by forward hooks, in a traced graph or through snapshots, and name what was seen."""
