"""Tasks: one file per use of a dataset, its config in config.py. To add one, see docs/adding.md."""
