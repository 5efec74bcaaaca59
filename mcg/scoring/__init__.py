"""Evaluation: predictions, controls, score tables, submissions, the record of scorings."""
