"""Walk the headers of a tar: which regular files it holds, and where their bytes lie.

Promises: every member returned lies whole inside the file; nothing is extracted and no path is followed; header
checksums are verified; a tar that was cut off, even exactly between two members, is an error and never a shorter
list. Understands ustar, GNU long names and sizes, and pax (path and size), which is what WebDataset, tarfile and GNU
tar write.
Gives up: compressed tars, and sparse files (their bytes do not lie in one piece); both are refused with a reason.
Directories, links and devices are skipped. A member's name is returned as it stands: it is data, not a path to open.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 512
_MAX_HEADER_DATA = 1 << 20
"""Bytes that a long name or a pax header may have; real ones have a few hundred."""
_REGULAR = (b"0", b"\0", b"7")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}


class TarError(ValueError):
    """A tar that is not whole or not understood; the message names the file and the byte where it went wrong."""


class Member(NamedTuple):
    """A regular file inside a tar: its name, and where its bytes start and how many they are."""

    name: str
    offset: int
    size: int


def scan(tar: str | Path | BinaryIO) -> list[Member]:
    """List the regular files of a tar in the order in which they are stored.

    tar: a local path, or an open binary file that can seek. Raises TarError, and OSError if it cannot be read.
    """
    if isinstance(tar, str | Path):
        fd = os.open(tar, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return _walk(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size, str(tar))
        finally:
            os.close(fd)
    file = tar
    length_of_file = file.seek(0, os.SEEK_END)

    def read_at(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return _walk(read_at, length_of_file, str(getattr(file, "name", "tar")))


def _walk(read_at: Callable[[int, int], bytes], length: int, where: str) -> list[Member]:
    members: list[Member] = []
    position = 0
    name: str | None = None
    size: int | None = None
    while True:
        header = read_at(position, BLOCK)
        if position == 0 and header[:2] in _COMPRESSED:
            raise TarError(f"{where}: is {_COMPRESSED[header[:2]]} compressed, not a plain tar; unpack it first")
        if len(header) < BLOCK:
            raise TarError(f"{where}: ends at byte {length} without an end-of-archive block: it was cut off")
        if header.count(0) == BLOCK:
            if name is not None or size is not None:
                raise TarError(f"{where}: byte {position}: a long name or pax header belongs to no member")
            return members
        _check_header(header, where, position)
        kind = header[156:157]
        if kind in (b"L", b"K", b"x", b"g"):
            data_size = _number(header[124:136], where, position)
            if data_size > _MAX_HEADER_DATA:
                raise TarError(f"{where}: byte {position}: a header of {data_size} bytes (limit {_MAX_HEADER_DATA})")
            data = read_at(position + BLOCK, data_size)
            if len(data) < data_size:
                raise TarError(f"{where}: byte {position}: a header runs past the end of the file: it was cut off")
            if kind == b"L":
                name = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif kind == b"x":
                pax = _pax(data, where, position)
                name = pax.get("path", name)
                size = _pax_size(pax["size"], where, position) if "size" in pax else size
            elif kind == b"g" and _pax(data, where, position).keys() & {"path", "size"}:
                raise TarError(f"{where}: byte {position}: a global pax header sets path or size: not supported")
            position += BLOCK + _padded(data_size)
            continue
        if kind == b"S":
            raise TarError(f"{where}: byte {position}: a sparse file; pack it again without sparse support")
        own_size = _number(header[124:136], where, position) if size is None else size
        start = position + BLOCK
        # Links and devices carry no data, whatever their size field says (POSIX allows nonsense there).
        position = start + (0 if kind in (b"1", b"2", b"3", b"4", b"5", b"6") else _padded(own_size))
        if kind in _REGULAR:
            own_name = _name(header) if name is None else name
            if start + own_size > length:
                raise TarError(
                    f"{where}: member {own_name!r} needs bytes {start} to {start + own_size}, the file has {length}: "
                    "it was cut off"
                )
            if not own_name.endswith("/"):  # old tars mark directories only by their name
                members.append(Member(own_name, start, own_size))
        name = size = None


def _check_header(header: bytes, where: str, position: int) -> None:
    stored = header[148:156]
    # The checksum counts its own field as eight spaces; some old writers summed signed bytes.
    total = sum(header) - sum(stored) + 8 * 32
    try:
        expected = int(stored.split(b"\0", 1)[0].strip() or b"x", 8)
    except ValueError:
        expected = -1
    if expected == total or expected == total - 256 * sum(byte > 127 for byte in header[:148] + header[156:]):
        return
    raise TarError(f"{where}: byte {position}: not a tar header (its checksum does not fit)")


def _number(field: bytes, where: str, position: int) -> int:
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


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    # GNU tars (magic "ustar  ") keep times, not a path prefix, in these bytes.
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _pax(data: bytes, where: str, position: int) -> dict[str, str]:
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
            raise TarError(f"{where}: byte {position}: a sparse file; pack it again without sparse support")
        records[keyword.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        at += length
    return records


def _pax_size(text: str, where: str, position: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise TarError(f"{where}: byte {position}: pax size {text[:40]!r} is no number")
    return int(text)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
