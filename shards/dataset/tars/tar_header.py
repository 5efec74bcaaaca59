"""The fields of one tar header: checksum, numbers, name, and the records of a pax header.

Promises: every value returned was checked; a malformed field is a TarError that names the file and the byte.
"""

from __future__ import annotations

from shards.base.errors import PrintableError

SPARSE = "GNU.sparse"
"""Key in the records of a pax header that belongs to a sparse file, in any of the forms that GNU tar writes."""
RENAMES = {"path", "size", SPARSE}
"""Keys of a pax header that change the name or the bytes of the next member; times and owners do not matter."""


class TarError(PrintableError, ValueError):
    """A tar that is not whole or not understood; the message names the file and the byte where it went wrong."""


def fits(header: bytes) -> bool:
    """True if the checksum of a header is right."""
    stored = header[148:156]
    # The checksum counts its own field as eight spaces; some old writers summed signed bytes.
    total = sum(header) - sum(stored) + 8 * 32
    try:
        expected = int(stored.split(b"\0", 1)[0].strip() or b"x", 8)
    except ValueError:
        return False
    return expected == total or expected == total - 256 * sum(byte > 127 for byte in header[:148] + header[156:])


def number_of(field: bytes, where: str, position: int) -> int:
    """The number in a field: octal digits, or base 256 if the top bit is set (GNU, for sizes of 8 GiB and more)."""
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
    """The member's name with its path prefix; bytes that are not UTF-8 become surrogates."""
    name = header[:100].split(b"\0", 1)[0]
    # GNU tars (magic "ustar  ") keep times, not a path prefix, in these bytes.
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def pax_records(data: bytes, where: str, position: int) -> dict[str, str]:
    """The records of a pax header by key. position: of its header, for errors. Raises TarError."""
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
    """The number in a size record of a pax header. Raises TarError."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise TarError(f"{where}: byte {position}: pax size {text[:40]!r} is no number")
    return int(text)
