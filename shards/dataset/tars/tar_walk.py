"""Walk the headers of a tar one by one, whatever they are.

This code alone decides what is a member, a stray or an error; plain_headers.py only takes the easy members faster.
"""

from __future__ import annotations

from shards.dataset.tars.entries import BLOCK, Entry, Member, ReadAt, Stray, padded
from shards.dataset.tars.plain_headers import plain_members
from shards.dataset.tars.tar_header import RENAMES, SPARSE, TarError, fits, name_of, number_of, pax_records, pax_size

_MAX_HEADER_DATA = 1 << 20
"""Bytes that a long name or a pax header may have; real ones have a few hundred."""
_RECORD = 20 * BLOCK
"""Most writers fill the end of a tar with zeros up to a multiple of this."""
_ZEROS = 1 << 20
"""Bytes that are read at once while looking for the end of a run of zeros."""
_REGULAR = (b"0", b"\0", b"7")
_WITHOUT_BYTES = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a directory",
    b"6": "a named pipe",
}


class Walk:
    """One walk over a tar: what was found so far, and the position of the next header."""

    def __init__(self, read_at: ReadAt, length: int, where: str, once: bool = False) -> None:
        """where: names the tar in errors. once: every byte may be requested only once."""
        self._read_at = read_at
        self._length = length
        self._where = where
        self._once = once
        self._position = 0
        self._archive = 0
        """Position of the current tar; joined tars follow each other in one file."""
        self._ahead = (-1, b"")
        """(position, bytes) of a block that was read already."""
        self.found: list[Member] = []
        self._strays: list[tuple[int, Stray]] = []
        """(number of members before it, stray)."""

    def to_the_end(self) -> Walk:
        """Take every member, plain headers many at a time. Raises TarError."""
        in_vain = 0
        while True:
            if not in_vain:
                self._position, in_vain = plain_members(
                    self._read_at, self._position, self._length, self._where, self.found
                )
            if not self.step():
                return self
            # Headers that were collected in vain are now taken one by one, so each header is read at most twice.
            in_vain = max(0, in_vain - 1)

    def take(self) -> list[Entry]:
        """The entries found since the last call, in the order of the tar."""
        entries: list[Entry] = []
        done = 0
        for before, stray in self._strays:
            entries += self.found[done:before]
            entries.append(stray)
            done = before
        entries += self.found[done:]
        self.found, self._strays = [], []
        return entries

    def step(self) -> bool:
        """Take one member with all its headers; False after the last one. Raises TarError."""
        length, where, position = self._length, self._where, self._position
        about: dict[str, str] = {}
        while True:
            header = self._block(position)
            if position == 0 and not (len(header) == BLOCK and fits(header)):
                from shards.dataset.tars.foreign import (
                    kind_of_file,  # imported late: it loads the modules of the stores, only for this error
                )

                kind = kind_of_file(header)
                if kind:
                    raise TarError(f"{where}: is {kind}")
            if len(header) < BLOCK:
                raise TarError(f"{where}: ends at byte {length} without an end-of-archive block: it was cut off")
            if header.count(0) == BLOCK:
                if position != self._position:
                    raise TarError(f"{where}: byte {position}: a long name or pax header belongs to no member")
                self._ahead = position, header
                return self._pass_zeros(position)
            if not fits(header):
                raise TarError(f"{where}: byte {position}: not a tar header (its checksum does not fit)")
            if header[156:157] not in (b"L", b"K", b"x", b"X", b"g"):
                self._position = self._add(header, position, about)
                return True
            position = self._read_about(header, position, about)
            if header[156:157] == b"g" and not about:
                self._position = position

    def _block(self, position: int) -> bytes:
        return self._ahead[1] if self._ahead[0] == position else self._read_at(BLOCK, position)

    def _read_about(self, header: bytes, position: int, about: dict[str, str]) -> int:
        """Add the attributes that a header gives the next member (path, size, linkpath, sparse) to `about`; returns the
        position after it."""
        where, kind = self._where, header[156:157]
        size = number_of(header[124:136], where, position)
        if size > _MAX_HEADER_DATA:
            raise TarError(f"{where}: byte {position}: a header of {size} bytes (limit {_MAX_HEADER_DATA})")
        data = self._read_at(size, position + BLOCK)
        if len(data) < size:
            raise TarError(f"{where}: byte {position}: a header runs past the end of the file: it was cut off")
        if kind in b"LK":
            about["path" if kind == b"L" else "linkpath"] = data.rstrip(b"\0").decode("utf-8", "surrogateescape")
        else:
            said = pax_records(data, where, position)
            if kind != b"g":
                about.update((key, text) for key, text in said.items() if text)  # empty: as the plain header says
            elif said.keys() & RENAMES:
                raise TarError(f"{where}: byte {position}: a global pax header sets path or size: not supported")
        return position + BLOCK + padded(size)

    def _add(self, header: bytes, position: int, about: dict[str, str]) -> int:
        """Take the member of a header; returns the position of the next header."""
        length, where, kind = self._length, self._where, header[156:157]
        name = about.get("path") or name_of(header)
        if "size" in about:
            size = pax_size(about["size"], where, position)
        else:
            size = number_of(header[124:136], where, position)
        start = position + BLOCK
        if kind == b"1" and size and self._holds_bytes(start, size):
            self._add_stray(name, start, size, "is a hard link that holds bytes; pack it again with --hard-dereference")
            return start + padded(size)
        if kind in _WITHOUT_BYTES:
            # The size field is ignored: POSIX allows any value there.
            if kind != b"5":
                to = about.get("linkpath") or header[157:257].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
                self._add_stray(name, start, 0, _why_without_bytes(kind, to))
            return start
        if kind == b"S":
            start = self._pass_sparse_maps(header, start)
        if start + size > length:
            what = f"member {name!r} needs bytes {start} to {start + size}"
            raise TarError(f"{where}: {what}, the file has {length}: it was cut off")
        if kind == b"S" or SPARSE in about:
            name = about.get(SPARSE + ".name", name)
            self._add_stray(name, start, size, "is a sparse file; pack it again without --sparse")
        elif kind not in _REGULAR:
            self._add_stray(name, start, size, f"is of the kind {kind!r}, not a regular file; pack it again")
        elif not name.endswith("/"):
            self.found.append(Member(name, start, size))
        elif size:  # old tars mark directories only by their name
            self._add_stray(name, start, size, "is named as a directory and holds bytes; give it another name")
        return start + padded(size)

    def _add_stray(self, name: str, offset: int, size: int, reason: str) -> None:
        self._strays.append((len(self.found), Stray(name, offset, size, reason)))

    def _holds_bytes(self, start: int, size: int) -> bool:
        """True if bytes follow a hard link that has a size: pax allows it, in other formats the size means nothing."""
        if start + size > self._length:
            return False
        block = self._block(start)
        self._ahead = start, block
        return len(block) == BLOCK and block.count(0) < BLOCK and not fits(block)

    def _pass_sparse_maps(self, header: bytes, start: int) -> int:
        """Position of the bytes of a GNU sparse file: after the blocks that continue the map of its holes."""
        goes_on = header[482]
        while goes_on:
            block = self._read_at(BLOCK, start)
            if len(block) < BLOCK:
                raise TarError(f"{self._where}: byte {start}: ends in the map of a sparse file: it was cut off")
            goes_on = block[504]
            start += BLOCK
        return start

    def _pass_zeros(self, start: int) -> bool:
        """Go on after an end marker with the tar that was joined; False if nothing follows but zeros or other bytes."""
        length, where = self._length, self._where
        stop, num_bytes = start, BLOCK if self._once else _RECORD
        block = b""
        while stop < length:
            block = self._block(stop) if self._once else self._read_at(num_bytes, stop)
            if not block:
                raise TarError(f"{where}: byte {stop}: the file got shorter while it was read")
            num_zeros = len(block) - len(block.lstrip(b"\0"))
            stop += num_zeros if num_zeros == len(block) else num_zeros // BLOCK * BLOCK
            if num_zeros < len(block):
                block = block if self._once else self._read_at(BLOCK, stop)
                break
            num_bytes = num_bytes if self._once else min(2 * num_bytes, _ZEROS)
        is_marker = stop - start <= 2 * BLOCK and (stop == length or stop - start == 2 * BLOCK)
        is_filled_up = (stop - self._archive) % _RECORD == 0 and stop - start < _RECORD + 2 * BLOCK
        if not is_marker and not is_filled_up:
            reason = (
                f"bytes {start} to {stop} are zeros and no end marker that a writer of tars makes: overwritten, or not "
                "written (a download that was stopped?); compare the tar with its origin"
            )
            self._add_stray("", start, stop - start, reason)
        if stop >= length:
            return False
        if len(block) < BLOCK or not fits(block):
            reason = (
                f"bytes {stop} to {length} stand behind zeros from byte {start} on and are no tar: what is in them is "
                "not indexed; compare the tar with its origin"
            )
            self._add_stray("", stop, length - stop, reason)
            return False
        self._position = self._archive = stop
        self._ahead = stop, block
        return True


def _why_without_bytes(kind: bytes, to: str) -> str:
    if kind == b"1":
        return f"is a hard link to {to!r} and has no bytes of its own; pack it again with tar --hard-dereference"
    if kind == b"2":
        return f"is a symbolic link to {to!r} and has no bytes; pack it again with tar --dereference"
    return f"is {_WITHOUT_BYTES[kind]} and has no bytes; pack it again without"
