"""Weights of public releases, under our names: `python -m mcg.convert SRC DST`, and the `init:` section of a config.

Each family of checkpoints is a file of rules in families/; `convert.py` applies them and accounts for every key.
"""
