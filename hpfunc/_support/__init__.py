"""Serve every other wing: check options, make generators from keys, size memory, show progress, warn, describe options.

Nothing here knows of points, labels or models. Options flow in as the caller wrote them; checked Python values,
generators, bars and warnings flow out. `warn` imports `progress`, and nothing here imports another wing.
"""
