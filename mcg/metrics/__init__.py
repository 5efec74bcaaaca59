"""Metrics: pure functions on arrays and lists, tested with numbers that one can check by eye."""
