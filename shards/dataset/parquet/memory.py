"""Memory that a column chunk takes once it is read, an upper bound from the headers of its pages; whose it is; and how
it is given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from shards.dataset.parquet.footer import Chunk
from shards.dataset.parquet.pages import pages
from shards.dataset.parquet.thrift import Thrift

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
            longest = _longest_text(page.body(chunk.compression), page.num_entries)
        elif is_expanded and page.encoding in _DICTIONARY:
            total += page.num_values * longest
        elif is_text and page.encoding == _DELTA_TEXTS:
            total += page.num_values * _COUNTED
            if total <= limit:
                levels = bool(column.max_repetition_level) + bool(column.max_definition_level)
                total += _repeated_bytes(page.values(chunk.compression, levels), page.num_values)
    return total


_AT_ONCE = 1024
"""Miniblocks that are unpacked at once, which bounds the memory for their bits."""


def _longest_text(body: memoryview, num_entries: int) -> int:
    """Length of the longest text of a dictionary page."""
    at = longest = 0
    for _ in range(num_entries):
        if at + 4 > len(body):
            break
        length = int.from_bytes(body[at : at + 4], "little")
        longest, at = max(longest, length), at + 4 + length
    return min(longest, len(body))


def _repeated_bytes(body: memoryview, num_values: int) -> int:
    """Bytes that the texts of a DELTA_BYTE_ARRAY page repeat of the text before them.

    Such a page begins with the lengths of these prefixes, delta-encoded in blocks of bit-packed miniblocks. They are
    summed without decoding the texts: a page of a few bytes can stand for gigabytes of repeated prefixes.
    """
    head = Thrift(body)
    block, miniblocks, count, first = head.varint(), head.varint(), head.varint(), head.integer()
    if not 0 < miniblocks <= block <= 1 << 16 or block % miniblocks or block // miniblocks % 8 or count > num_values:
        raise ValueError("has lengths of texts that make no sense")
    each = block // miniblocks
    offsets: dict[int, list[tuple[int, int]]] = {}
    lowest = np.zeros(-(-max(0, count - 1) // each), np.int64)
    number = 0
    while number < len(lowest):
        least = head.integer()
        widths = bytes(body[head.at : head.at + miniblocks])
        head.at += miniblocks
        for width in widths:
            if number == len(lowest):
                break
            if width > 32 or head.at + each * width // 8 > len(body):
                raise ValueError("has lengths of texts that make no sense")
            lowest[number] = least
            offsets.setdefault(width, []).append((number, head.at))
            head.at, number = head.at + each * width // 8, number + 1
    steps = np.repeat(lowest.astype(np.uint64), each).reshape(len(lowest), each)
    for width, found in offsets.items():
        if width:
            powers = np.uint64(1) << np.arange(width, dtype=np.uint64)
            for some in (found[at : at + _AT_ONCE] for at in range(0, len(found), _AT_ONCE)):
                packed = np.stack([np.frombuffer(body, np.uint8, each * width // 8, at) for _, at in some])
                bits = np.unpackbits(packed, axis=1, bitorder="little").reshape(len(some), each, width)
                steps[[number for number, _ in some]] += bits @ powers
    lengths = np.cumsum(np.concatenate([[np.uint64(first & (1 << 64) - 1)], steps.reshape(-1)[: max(0, count - 1)]]))
    seen = lengths.astype(np.uint32).view(np.int32)  # Arrow's reader counts in 32 bits, with overflow
    if count and seen.min() < 0:
        raise ValueError("has lengths of texts that make no sense")
    return int(seen.sum(dtype=np.int64)) if count else 0


_pool_lock = threading.Lock()


@contextmanager
def memory_from_malloc() -> Iterator[None]:
    """Parquet files that are opened inside take the memory for their tables from malloc. Arrow's own pool keeps 11 MB
    for an index of a few thousand rows, and gives nothing back."""
    import pyarrow as pa

    with _pool_lock:
        before = pa.default_memory_pool()
        pa.set_memory_pool(pa.system_memory_pool())
        try:
            yield
        finally:
            pa.set_memory_pool(before)


def give_memory_back() -> None:
    """Give to the system what Arrow and malloc keep of freed memory: after much was read once, that is much."""
    import ctypes

    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    if trim is not None:
        trim(0)
