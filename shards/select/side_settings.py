"""What a dataset's config says of side tables, as plain values; shards/loader/config.py describes the fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

MissingTexts = Literal["keep", "drop"]
"""Samples without a text in the table keep their own records, or are left out."""


class SideSettings(NamedTuple):
    """The uses of side tables."""

    side: Sequence[str] = ()
    texts: str | None = None
    missing_texts: MissingTexts = "keep"
    repeat: str | None = None
    """The column with the number of copies of each sample."""


def split_texts(texts: str) -> tuple[str, str | None]:
    """(address of the file, column or None) of FILE or FILE:COLUMN."""
    file, colon, column = texts.rpartition(":")
    is_column = colon and file and column and "/" not in column and not column.endswith(".parquet")
    return (file, column) if is_column else (texts, None)
