"""Texts as token ids: one codec per kind of vocabulary, and one layout per kind of model."""

from __future__ import annotations

from collections.abc import Callable

from mcg.model.config import ModelConfig
from mcg.text.layouts import Bert
from mcg.text.texts import Texts

LAYOUTS: dict[str, Callable[[str | None], Texts]] = {"mcg": Bert}
"""`model.name` -> the function from the vocabulary of the config to a layout."""


def open_texts(config: ModelConfig) -> Texts:
    """The text layout of a model, with the vocabulary of its config. Raises FileNotFoundError, ValueError."""
    return LAYOUTS[config.name](config.vocabulary)
