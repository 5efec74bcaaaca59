"""Models: one file per part, their configs in config.py. A model offers verbs and computes no loss."""
