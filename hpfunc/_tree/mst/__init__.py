"""Exact minimum spanning trees of clouds of points, and counts over all of them where distances tie."""
