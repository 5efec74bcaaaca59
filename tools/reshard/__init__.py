"""Rearranging datasets of shards: size of shards, order, subsets, splits, merges, and copies without an index."""
