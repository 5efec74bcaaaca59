"""What several verbs of `python -m tools` share: options, signatures, engines, the end of a run."""
