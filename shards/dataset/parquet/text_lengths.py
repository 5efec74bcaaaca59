"""How long the texts of a page are when expanded, found without expanding them."""

from __future__ import annotations

import numpy as np

from shards.dataset.parquet.thrift import Thrift

_AT_ONCE = 1024
"""Miniblocks that are unpacked at once, which bounds the memory for their bits."""


def longest_text(body: memoryview, num_entries: int) -> int:
    """Length of the longest text of a dictionary page."""
    at = longest = 0
    for _ in range(num_entries):
        if at + 4 > len(body):
            break
        length = int.from_bytes(body[at : at + 4], "little")
        longest, at = max(longest, length), at + 4 + length
    return min(longest, len(body))


def repeated_bytes(body: memoryview, num_values: int) -> int:
    """Bytes that the texts of a DELTA_BYTE_ARRAY page repeat of the text before them.

    Such a page begins with the lengths of these prefixes, delta-encoded in blocks of bit-packed miniblocks. They are
    summed without decoding the texts: a page of a few bytes can stand for gigabytes of repeated prefixes.
    """
    head = Thrift(body)
    block, miniblocks, count, first = head.varint(), head.varint(), head.varint(), head.integer()
    if not 0 < miniblocks <= block <= 1 << 16 or block % miniblocks or block // miniblocks % 8 or count > num_values:
        raise ValueError("has lengths of texts that make no sense")
    each = block // miniblocks
    places: dict[int, list[tuple[int, int]]] = {}
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
            places.setdefault(width, []).append((number, head.at))
            head.at, number = head.at + each * width // 8, number + 1
    steps = np.repeat(lowest.astype(np.uint64), each).reshape(len(lowest), each)
    for width, found in places.items():
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
