"""Hostile, damaged and odd input, made from seeds: a short run with the tests, a long one by `python -m tests.fuzz`."""
