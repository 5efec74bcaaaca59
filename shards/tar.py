"""Walk the headers of a tar: which regular files it holds, and where their bytes lie.

Promises: every member returned lies whole inside the file; nothing is extracted and no path is followed; header
checksums are verified; a tar that was cut off, even exactly between two members, is an error and never a shorter
list. Understands ustar, GNU long names and sizes, and pax (path and size), which is what WebDataset, tarfile and GNU
tar write.
Gives up: compressed tars, and sparse files (their bytes do not lie in one piece); both are refused with a reason.
Directories, links and devices are skipped. A member's name is returned as it stands: it is data, not a path to open.

Each header says where the next one lies, so the chain is walked one by one, reading nothing but a size; plain headers
are collected and checked many at a time with numpy. Whatever is not plain goes through `step`, which alone decides
what is an error; the fast way never does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.printing import PrintableError

BLOCK = 512
_MAX_HEADER_DATA = 1 << 20
"""Bytes that a long name or a pax header may have; real ones have a few hundred."""
_BATCH = 1024
"""Headers that are checked together."""
_FEW = 32
"""Fewer headers than this are faster checked one by one."""
_WINDOW = 1 << 22
_BEHIND_WINDOW = 1 << 16
"""Bytes that are fetched at once from a file that is not on this machine: where members follow each other,
and behind a larger one."""
_REGULAR = (b"0", b"\0", b"7")
_PLAIN_FILE, _PAX = ord("0"), ord("x")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}

ReadAt = Callable[[int, int], bytes]
"""(length, offset) -> bytes, fewer only at the end of the file; os.pread without its first argument."""


class TarError(PrintableError, ValueError):
    """A tar that is not whole or not understood; the message names the file and the byte where it went wrong."""


class Member(NamedTuple):
    """A regular file inside a tar: its name, and where its bytes start and how many they are."""

    name: str
    offset: int
    size: int


def scan(tar: str | Path | BinaryIO) -> list[Member]:
    """List the regular files of a tar in the order in which they are stored.

    tar: a local path, or an open binary file that can seek (read in pieces of up to 4 MiB). Raises TarError, and
    OSError if it cannot be read.
    """
    if isinstance(tar, str | Path):
        fd = os.open(tar, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            # A pread of one header costs less than copying what lies between two, and less than a page fault.
            return _Walk(partial(os.pread, fd), os.fstat(fd).st_size, str(tar)).members()
        finally:
            os.close(fd)
    length = tar.seek(0, os.SEEK_END)

    def read_at(length: int, offset: int) -> bytes:
        tar.seek(offset)
        return tar.read(length)

    return _Walk(_Window(read_at).read, length, str(getattr(tar, "name", "tar"))).members()


def scan_far(read_at: ReadAt, length: int, where: str) -> list[Member]:
    """The same for a file that is far away: every byte is asked for once at most. where: for errors."""
    return list(walk(_Window(read_at).read, length, where))


def walk(read_at: ReadAt, length: int, where: str) -> Iterator[Member]:
    """`scan` for a file that is read once: members come as their headers do, and read_at is only ever asked to go on
    from where it was. Slower than `scan` where the file is at hand. where: for errors."""
    walk = _Walk(read_at, length, where)
    while walk.step():
        yield from walk.take_found()


class _Window:
    """Reads of a few bytes, fetched in large pieces."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._piece, self._start = b"", 0
        self._size, self._last = _WINDOW, 0

    def read(self, length: int, offset: int) -> bytes:
        at = offset - self._start
        jump, self._last = offset - self._last, offset
        if at < 0 or at + length > len(self._piece):
            self._size = min(_WINDOW, 4 * self._size) if jump < _WINDOW else _BEHIND_WINDOW
            self._piece, self._start, at = self._read_at(max(self._size, length), offset), offset, 0
        return self._piece[at : at + length]


class _Walk:
    """One walk over a tar: what was found so far, and where it stands."""

    def __init__(self, read_at: ReadAt, length: int, where: str) -> None:
        self._read_at = read_at
        self._length = length
        self._where = where
        self._position = 0
        self._found: list[Member] = []

    def members(self) -> list[Member]:
        """Walk to the end."""
        in_vain = 0
        while True:
            if not in_vain:
                in_vain = self._run()
            if not self.step():
                return self._found
            # Headers that were collected in vain are taken step by step: odd tars take twice the time, not more.
            in_vain = max(0, in_vain - 1)

    def _run(self) -> int:
        """Take the plain headers that follow; returns how many were collected but not taken."""
        while True:
            headers, starts, sizes = self._collect()
            if len(headers) < _FEW:
                return len(headers)
            taken = self._take(headers, starts, sizes)
            if taken < len(headers):
                self._position = starts[taken]
                return len(headers) - taken
            self._position = starts[-1] + BLOCK + _padded(sizes[-1])

    def _collect(self) -> tuple[list[bytes], list[int], list[int]]:
        """Up to a batch of headers that look plain, their positions, and sizes (-1: a pax header)."""
        read_at, position = self._read_at, self._position
        headers: list[bytes] = []
        starts: list[int] = []
        sizes: list[int] = []
        try:
            while len(headers) < _BATCH:
                header = read_at(BLOCK, position)
                kind = header[156]
                size = stored = int(header[124:135], 8)  # lenient; `_take` looks at the digits
                if kind == _PAX and 0 <= size <= BLOCK and self._is_idle(read_at(size, position + BLOCK)):
                    stored = -1
                elif kind != _PLAIN_FILE or size < 0:
                    break
                if len(header) < BLOCK:
                    break
                headers.append(header)
                starts.append(position)
                sizes.append(stored)
                position += BLOCK + (size + 511 & ~511)
        except (IndexError, ValueError):  # no header, no number, a malformed pax header: `step` says what is wrong
            pass
        if sizes and sizes[-1] < 0:  # its member is not here
            return headers[:-1], starts[:-1], sizes[:-1]
        return headers, starts, sizes

    def _is_idle(self, data: bytes) -> bool:
        """Whether a pax header has no say in the next member's name and size: it holds times or owners."""
        return not _pax(data, self._where, self._position).keys() & {"path", "size"}

    def _take(self, headers: list[bytes], starts: list[int], sizes: list[int]) -> int:
        """Add the members before the first header that is not plain in every respect; returns its number."""
        table = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, BLOCK)
        start, size = np.array(starts, np.int64) + BLOCK, np.array(sizes, np.int64)
        good = _checksums_fit(table) & _are_plain_numbers(table[:, 124:136])
        good &= start + size <= self._length
        # A path prefix counts where the tar is ustar.
        good &= (table[:, 345] == 0) | (table[:, 257:263] != _USTAR).any(1)
        taken = len(good) if good.all() else int(good.argmin())
        files = np.flatnonzero(size[:taken] >= 0)
        names: list[bytes] = np.ascontiguousarray(table[files, :100]).view("S100").ravel().tolist()
        joined = b"".join([name + b"\0" for name in names])
        if joined.count(b"\0") != len(names) or b"/\0" in joined:
            # Bytes behind the end of a name, or an old directory, told by its name.
            odd = next(i for i, name in enumerate(names) if b"\0" in name or name.endswith(b"/"))
            taken, files = int(files[odd]), files[:odd]
            joined = b"".join([name + b"\0" for name in names[:odd]])
        # Decoded at once: a zero byte is never a part of another character.
        texts = joined.decode("utf-8", "surrogateescape").split("\0")[:-1]
        rows = zip(texts, start[files].tolist(), size[files].tolist(), strict=True)
        self._found.extend(map(Member._make, rows))
        return taken

    def take_found(self) -> list[Member]:
        """What was found since the last call."""
        found, self._found = self._found, []
        return found

    def step(self) -> bool:
        """Take one member, whatever its headers are; False behind the last one. Raises TarError."""
        read_at, length, where, position = self._read_at, self._length, self._where, self._position
        name: str | None = None
        size: int | None = None
        while True:
            header = read_at(BLOCK, position)
            if position == 0 and header[:2] in _COMPRESSED:
                raise TarError(f"{where}: is {_COMPRESSED[header[:2]]} compressed, not a plain tar; unpack it first")
            if len(header) < BLOCK:
                raise TarError(f"{where}: ends at byte {length} without an end-of-archive block: it was cut off")
            if header.count(0) == BLOCK:
                if name is not None or size is not None:
                    raise TarError(f"{where}: byte {position}: a long name or pax header belongs to no member")
                return False
            _check_header(header, where, position)
            kind = header[156:157]
            if kind in (b"L", b"K", b"x", b"g"):
                data_size = _number(header[124:136], where, position)
                if data_size > _MAX_HEADER_DATA:
                    raise TarError(
                        f"{where}: byte {position}: a header of {data_size} bytes (limit {_MAX_HEADER_DATA})"
                    )
                data = read_at(data_size, position + BLOCK)
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
                    what = f"member {own_name!r} needs bytes {start} to {start + own_size}"
                    raise TarError(f"{where}: {what}, the file has {length}: it was cut off")
                if not own_name.endswith("/"):  # old tars mark directories only by their name
                    self._found.append(Member(own_name, start, own_size))
            self._position = position
            return True


_POWERS_OF_8 = 8 ** np.arange(5, -1, -1)
_USTAR = np.frombuffer(b"ustar\0", np.uint8)


def _checksums_fit(table: NDArray[np.uint8]) -> NDArray[np.bool_]:
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


def _are_plain_numbers(fields: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of n size fields, (n, 12): whether each is eleven octal digits and a 0 or a space."""
    return ((fields[:, :11] & 0xF8) == ord("0")).all(1) & ((fields[:, 11] & ~np.uint8(32)) == 0)


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
