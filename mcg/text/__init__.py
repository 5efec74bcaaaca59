"""Texts as token ids: one codec per vocabulary, and one layout per kind of model."""
