"""Entities: the commonest nouns of the texts of datasets, for ALPRO's entity prompting (docs/alpro.md)."""
