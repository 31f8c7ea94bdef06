"""The tables of `python -m benchmarks.deep_distilling`, one subject per file."""
