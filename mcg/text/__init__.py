"""Texts as token ids: one codec per kind of vocabulary, and one layout per kind of model."""

from __future__ import annotations

from mcg.model.config import ModelConfig
from mcg.text.layouts import Bert
from mcg.text.texts import Texts

LAYOUTS: dict[str, type[Bert]] = {"mcg": Bert}
"""By model.name."""


def open_texts(config: ModelConfig) -> Texts:
    """The text layout of a model, with the vocabulary of its config. Raises FileNotFoundError, ValueError."""
    return LAYOUTS[config.name](config.vocabulary)
