"""Texts as token ids: one codec per kind of vocabulary, and one layout per kind of model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcg.model.config import ModelConfig
from mcg.text.byte_pair_texts import BytePairTexts
from mcg.text.layouts import Bert
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import Texts

LAYOUTS: dict[str, Callable[[Any], Texts]] = {
    "mcg": Bert.of,
    "lavender": MaskedWords.of,
    "t2vlp": BytePairTexts.of,
}
"""`model.name` -> the function from the model's config to a layout."""


def open_texts(config: ModelConfig) -> Texts:
    """The text layout of a model, with the vocabulary of its config. Raises FileNotFoundError, ValueError."""
    return LAYOUTS[config.name](config)
