"""Writing datasets and indexing tars that are there."""
