"""Indexing tars that others wrote."""
