"""The verbs of `python -m shards`, a module for each, and how they open a dataset and read its index."""
