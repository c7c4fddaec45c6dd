"""Ways to observe a model: forward hooks, a traced graph, snapshots, and the names of what was seen."""
