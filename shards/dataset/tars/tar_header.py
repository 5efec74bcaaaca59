"""One header of a tar: its checksum, its numbers and names, and what a pax header says.

Promises: what is returned was checked; a field that cannot be is a TarError that names the file and the byte.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import PrintableError

SPARSE = "GNU.sparse"
"""Stands in the records of a pax header whose file is sparse, whatever the form."""


class TarError(PrintableError, ValueError):
    """A tar that is not whole or not understood; the message names the file and the byte where it went wrong."""


_POWERS_OF_8 = 8 ** np.arange(5, -1, -1)


def checksums_fit(table: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of n headers, (n, 512): whether each checksum is written as six digits, 0 and a space or 0, and right."""
    # The even and the odd bytes of eight are added up in four lanes of 16 bits; 128 * 255 fits.
    words, even = table.view("<u8"), np.uint64(0x00FF00FF00FF00FF)
    lanes = ((words & even) + (words >> np.uint64(8) & even)).sum(axis=1)
    total = lanes.view("<u2").reshape(-1, 4).sum(axis=1, dtype=np.int64)
    field = table[:, 148:156].astype(np.int64)
    digits = field[:, :6] - ord("0")
    as_written = ((digits & ~7) == 0).all(1) & (field[:, 6] == 0) & ((field[:, 7] & ~32) == 0)
    # The checksum counts its own field as eight spaces.
    return as_written & (digits @ _POWERS_OF_8 == total - field.sum(1) + 8 * 32)


def are_plain_numbers(fields: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of n size fields, (n, 12): whether each is eleven octal digits and a 0 or a space."""
    return ((fields[:, :11] & 0xF8) == ord("0")).all(1) & ((fields[:, 11] & ~np.uint8(32)) == 0)


def fits(header: bytes) -> bool:
    """Whether the checksum of a header is right."""
    stored = header[148:156]
    # The checksum counts its own field as eight spaces; some old writers summed signed bytes.
    total = sum(header) - sum(stored) + 8 * 32
    try:
        expected = int(stored.split(b"\0", 1)[0].strip() or b"x", 8)
    except ValueError:
        return False
    return expected == total or expected == total - 256 * sum(byte > 127 for byte in header[:148] + header[156:])


def number_of(field: bytes, where: str, position: int) -> int:
    """Octal digits, or base 256 when the top bit is set (GNU, for sizes of 8 GiB and more)."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40:
            raise TarError(f"{where}: byte {position}: negative size")
        return value
    digits = field.split(b"\0", 1)[0].strip()
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise TarError(f"{where}: byte {position}: size field {field!r} is no number")
    return int(digits, 8)


def name_of(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    # GNU tars (magic "ustar  ") keep times, not a path prefix, in these bytes.
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def pax_records(data: bytes, where: str, position: int) -> dict[str, str]:
    records: dict[str, str] = {}
    at = 0
    while at < len(data) and data[at] != 0:
        head = data[at : at + 20].split(b" ", 1)[0]
        if not head.isdigit() or len(head) == 20:
            raise TarError(f"{where}: byte {position}: malformed pax header")
        length = int(head)
        record = data[at : at + length]
        if length <= len(head) + 1 or len(record) < length or not record.endswith(b"\n") or b"=" not in record:
            raise TarError(f"{where}: byte {position}: malformed pax header")
        keyword, value = record[len(head) + 1 : -1].split(b"=", 1)
        if keyword.startswith(b"GNU.sparse"):
            records[SPARSE] = "yes"
        records[keyword.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += length
    return records


def pax_size(text: str, where: str, position: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise TarError(f"{where}: byte {position}: pax size {text[:40]!r} is no number")
    return int(text)
