"""Metrics: pure functions on arrays and lists, tested with numbers that one can check by eye."""

DETAILS = ("interval", "intervals", "counts", "official", "absent")
"""Entries of metrics for tables of their own, which a line or a column of scores leaves out."""
