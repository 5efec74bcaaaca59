"""Checking the tars of a dataset against its index."""
