"""Leaks: training samples of which an evaluation set has the video, too (docs/duplicates.md)."""
