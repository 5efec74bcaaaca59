"""Objectives: one file per loss, its config in config.py. To add one, see docs/adding.md."""
