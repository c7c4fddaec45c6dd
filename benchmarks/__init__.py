"""Measure speed and memory; each module is a command, and ``python -m benchmarks.NAME --help`` lists its options."""
