"""Scores of samples, written beside a dataset as a side table: `python -m tools score`; docs/scoring.md."""
