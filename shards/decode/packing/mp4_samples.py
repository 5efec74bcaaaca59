"""The samples of the one video track of an MP4 or MOV, read from its tables (ISO/IEC 14496-12).

A demuxer of FFmpeg takes milliseconds to open a file; these tables take a tenth of one. Promises: what is returned lies
inside the file, frames are numbered as FFmpeg numbers them, or ValueError or struct.error is raised: files with several
video tracks, fragments, encryption, turned pictures, frames that are cut off or times that come twice are for FFmpeg.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_CODECS = {b"avc1": ("h264", b"avcC"), b"hvc1": ("hevc", b"hvcC"), b"hev1": ("hevc", b"hvcC")}
_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_MOST_HEADER = 1 << 24
"""Bytes of the tables that are read here."""


class Samples(NamedTuple):
    """A video track: its samples in decoding order."""

    codec: str
    extradata: bytes
    size: tuple[int, int]
    """(width, height) that the container says."""
    colours: int
    """Number of the colour space that the container says, 2 where it says none."""
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    ranks: NDArray[np.int64]
    """The number of each in the order of showing."""
    keys: NDArray[np.int64]
    """The places, in decoding order, of those at which decoding can begin."""


def read_samples(read: Callable[[int, int], bytes], size: int) -> Samples:
    """Read the tables of a file. read: gives `length` bytes from `start` on. Raises ValueError, struct.error."""
    for name, start, stop in _file_boxes(read, size):
        if name == b"moov":
            if stop - start > _MOST_HEADER:
                raise ValueError("its tables are too large")
            return _samples(read(start, stop - start), size)
    raise ValueError("has no tables")


def _file_boxes(read: Callable[[int, int], bytes], size: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte of its content, byte behind it) of the outermost boxes."""
    at = 0
    while at + 16 <= size:
        length, name, large = struct.unpack(">I4sQ", read(at, 16))
        head = 16 if length == 1 else 8
        length = large if length == 1 else length or size - at
        if length < head or at + length > size:
            raise ValueError("a box is cut off")
        yield name, at + head, at + length
        at += length


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of the boxes in a box."""
    at = 0
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if length < 8 or at + length > len(data):
            raise ValueError("a box is cut off, or too large")
        yield name, data[at + 8 : at + length]
        at += length


def _children(data: bytes, *path: bytes) -> dict[bytes, bytes]:
    """The boxes in a box, or in the first one on a path below it, each the first of its name."""
    found: dict[bytes, bytes] = {}
    for name, content in _boxes(data):
        found.setdefault(name, content)
    return _children(found.get(path[0], b""), *path[1:]) if path else found


def _samples(moov: bytes, size: int) -> Samples:
    tracks = [_children(content) for name, content in _boxes(moov) if name == b"trak"]
    videos = [track for track in tracks if _children(track.get(b"mdia", b"")).get(b"hdlr", b"")[8:12] == b"vide"]
    if len(videos) != 1 or b"mvex" in _children(moov):
        raise ValueError("has not one video track, or fragments")
    (track,) = videos
    header = track.get(b"tkhd", b"")
    if header[52 if header[:1] == b"\1" else 40 :][:36] != _UPRIGHT:
        raise ValueError("is turned")
    tables = _children(track[b"mdia"], b"minf", b"stbl")
    codec, extradata, shown, colours = _entry(tables.get(b"stsd", b""))
    sizes = _sizes(tables)
    count = len(sizes)
    offsets = _offsets(tables, sizes)
    if not count or int(offsets.min()) < 0 or int((offsets + sizes).max()) > size or int(sizes.min()) < 1:
        raise ValueError("samples lie outside the file")
    times = np.cumsum(_runs(tables, b"stts", count))
    decoded = np.concatenate([[0], times[:-1]])
    shown_at = decoded + _runs(tables, b"ctts", count) if b"ctts" in tables else decoded
    order = np.argsort(shown_at, kind="stable")
    if (np.diff(shown_at[order]) <= 0).any():
        raise ValueError("times come twice")
    _check_edits(track.get(b"edts", b""), int(shown_at.min()))
    ranks = np.empty(count, np.int64)
    ranks[order] = np.arange(count)
    if b"stss" in tables:
        keys = _column(tables[b"stss"], 8, 1)[:, 0] - 1
        if not len(keys) or keys.min() < 0 or keys.max() >= count or (np.diff(keys) <= 0).any():
            raise ValueError("key frames are not among the samples")
    else:
        keys = np.arange(count)
    return Samples(codec, extradata, shown, colours, offsets, sizes, ranks, keys)


def _entry(stsd: bytes) -> tuple[str, bytes, tuple[int, int], int]:
    """Codec, headers, size and colour space of the only sample entry."""
    entries = list(_boxes(stsd[8:]))
    if len(entries) != 1 or entries[0][0] not in _CODECS:
        raise ValueError("has another codec, or changes it")
    name, entry = entries[0]
    codec, headers = _CODECS[name]
    inside = _children(entry[78:])
    if headers not in inside:
        raise ValueError("has no headers")
    colour = inside.get(b"colr", b"")
    colours = struct.unpack_from(">H", colour, 8)[0] if colour[:4] in (b"nclx", b"nclc") else 2
    width, height = struct.unpack_from(">HH", entry, 24)
    return codec, inside[headers], (width, height), colours


def _sizes(tables: dict[bytes, bytes]) -> NDArray[np.int64]:
    stsz = tables.get(b"stsz", b"")
    same, count = struct.unpack_from(">II", stsz, 4)
    if same:
        raise ValueError("has samples of one size")  # no such video is of these codecs
    sizes = np.frombuffer(stsz, ">u4", count, 12)
    return sizes.astype(np.int64)


def _offsets(tables: dict[bytes, bytes], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first byte of each sample: chunks of samples lie in one piece each."""
    wide = b"co64" in tables
    table = tables[b"co64"] if wide else tables.get(b"stco", b"")
    (num_chunks,) = struct.unpack_from(">I", table, 4)
    chunks = np.frombuffer(table, ">i8" if wide else ">u4", num_chunks, 8).astype(np.int64)
    runs = _column(tables.get(b"stsc", b""), 8, 3)
    if not len(runs) or not num_chunks or runs[0, 0] != 1 or (runs[:, 2] != 1).any():
        raise ValueError("samples have no chunks, or several descriptions")
    lengths = np.diff(np.append(runs[:, 0], num_chunks + 1))
    if (lengths < 0).any() or (runs[:, 1] < 1).any() or runs[-1, 0] > num_chunks:
        raise ValueError("chunks run backwards")
    if int((lengths * runs[:, 1]).sum()) != len(sizes):
        raise ValueError("chunks hold another number of samples")
    per_chunk = np.repeat(runs[:, 1], lengths)
    firsts = np.cumsum(per_chunk) - per_chunk
    before = np.cumsum(sizes) - sizes
    return np.repeat(chunks - before[firsts], per_chunk) + before


def _runs(tables: dict[bytes, bytes], name: bytes, count: int) -> NDArray[np.int64]:
    """A table of (how many samples, value), one value for each sample."""
    runs = _column(tables.get(name, b""), 8, 2)
    if int(runs[:, 0].sum()) != count:
        raise ValueError("a table of times is for another number of samples")
    values = runs[:, 1].astype(np.uint32).view(np.int32)  # written as signed or not, FFmpeg takes them for signed
    return np.repeat(values.astype(np.int64), runs[:, 0])


def _column(table: bytes, start: int, width: int) -> NDArray[np.int64]:
    """The rows of a table of 32-bit numbers, which says their count in front of them."""
    (count,) = struct.unpack_from(">I", table, start - 4)
    return np.frombuffer(table, ">u4", count * width, start).reshape(count, width).astype(np.int64)


def _check_edits(edits: bytes, first: int) -> None:
    """Raise ValueError unless showing begins with the first frame."""
    table = _children(edits).get(b"elst", b"")
    if not table:
        return
    (count,) = struct.unpack_from(">I", table, 4)
    form = ">QqI" if table[:1] == b"\1" else ">IiI"
    edits_of = [struct.unpack_from(form, table, 8 + number * struct.calcsize(form)) for number in range(min(count, 3))]
    shown = [edit for edit in edits_of if edit[1] >= 0]
    if len(shown) != 1 or count > 2 or shown[0][1] > first or shown[0][2] != 1 << 16:
        raise ValueError("an edit list cuts frames off")
