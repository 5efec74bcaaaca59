"""Cut long videos into clips at their scene changes: `python -m tools scenes`; docs/scoring.md."""
