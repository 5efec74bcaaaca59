"""How much memory a column chunk takes once it is read, an upper bound from the headers of its pages."""

from __future__ import annotations

from typing import Any

from shards.dataset.parquet.footer import Chunk
from shards.dataset.parquet.pages import pages
from shards.dataset.parquet.text_lengths import longest_text, repeated_bytes

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 8}
"""Bytes that a value of each physical type takes in Arrow's memory."""
_DICTIONARY, _DELTA_TEXTS = (2, 8), 7
"""Encodings of parquet."""
_COUNTED = 32
"""Bytes that counting the length of one text takes."""


def memory_of(column: Any, chunk: Chunk, data: memoryview, stays_dictionary: bool, limit: int) -> int:
    """Most bytes that a column chunk takes in memory; counting ends once it is beyond limit.

    column: its ColumnSchema. stays_dictionary: its texts are not expanded. Raises ValueError for a damaged chunk.
    """
    kind = column.physical_type
    width = _WIDTHS.get(kind, 8 + column.length)
    if kind == "FIXED_LEN_BYTE_ARRAY" and not 0 < column.length <= 64:
        raise ValueError(f"holds values of {column.length} bytes each")
    width += 2 * bool(column.max_definition_level) + 10 * bool(column.max_repetition_level)
    is_text = kind == "BYTE_ARRAY"
    is_expanded = is_text and not stays_dictionary
    total, longest = len(data), 0
    for page in pages(data, chunk.num_values):
        total += page.raw * (3 if is_text else 1) + page.num_values * width
        if total > limit:
            break  # before anything is decompressed
        if page.is_dictionary and is_expanded:
            longest = longest_text(page.body(chunk.compression), page.num_entries)
        elif is_expanded and page.encoding in _DICTIONARY:
            total += page.num_values * longest
        elif is_text and page.encoding == _DELTA_TEXTS:
            total += page.num_values * _COUNTED
            if total <= limit:
                levels = bool(column.max_repetition_level) + bool(column.max_definition_level)
                total += repeated_bytes(page.values(chunk.compression, levels), page.num_values)
    return total
