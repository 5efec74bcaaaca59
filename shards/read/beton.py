"""The .beton files (FFCV) that `python -m tools export-ffcv` writes: their layout, and one opened and checked.

A .beton holds a header, a description of its fields, a row of numbers for every sample, pages with data that the rows
point into, and a table of what was allocated in the pages. It is read with numpy alone, without the ffcv package: that
takes 4 s to import, changes LD_LIBRARY_PATH, and its own Loader aborts the process when a loop over it is left early.

Promises: everything that a file claims is compared with its size before it is followed, so a file that was cut off,
damaged or made by somebody else is a DatasetError (or, as far as checksums tell, an error of one sample) and never a
crash. Data are read from a memory map where they are used, and the page cache of the machine keeps them for all its
processes. Given up: a file that is cut while it is open kills who reads it (SIGBUS): replace it by renaming.
"""

from __future__ import annotations

import mmap
import os
from typing import Any, Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from shards.base.errors import DatasetError, WrongPlace
from shards.dataset.index.rows import MAX_KEY_BYTES, MAX_TEXT_BYTES
from shards.media.limits import MAX_PIXELS, MAX_SIDE

VERSION = 2
HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("num_fields", "<u2"),
        ("page_size", "<u4"),
        ("num_samples", "<u8"),
        ("alloc_table_ptr", "<u8"),
    ],
    align=True,
)
DESCRIPTOR = np.dtype([("type_id", "<u1"), ("name", "S16"), ("arguments", "V1024")])
ALLOCATION = np.dtype([("sample_id", "<u8"), ("ptr", "<u8"), ("size", "<u8")])
_SPAN = np.dtype([("ptr", "<u8"), ("size", "<u8")])
_PICTURE = np.dtype([("mode", "<u1"), ("width", "<u2"), ("height", "<u2"), ("data_ptr", "<u8")])
"""ffcv.types and ffcv.fields, version 1.0.2; a test compares them."""
JPG, RAW = 0, 1
"""Values of a picture's mode."""

FieldKind = Literal["float", "int", "picture", "bytes", "json"]
_KINDS: dict[FieldKind, tuple[int, Any]] = {
    "float": (0, np.dtype("<f8")),
    "int": (1, np.dtype("<i8")),
    "picture": (2, _PICTURE),
    "bytes": (3, _SPAN),
    "json": (5, _SPAN),
}
"""Number of the type in a file, and what a row holds of it."""
_SAMPLE_FIELDS: dict[str, FieldKind] = {
    "key": "bytes",
    "text": "json",
    "text_sum": "int",
    "shard": "int",
    "num_records": "int",
    "num_frames": "int",
    "fps": "float",
    "duration": "float",
    "start_time": "float",
}
"""text: an object with dataset, shard (name), records, meta, times (seconds of each stored frame). shard: its number in
the file. num_frames: how many of the frame fields hold a frame. The sums are `checksum`."""
MAX_FRAMES = 4096
_MAX_RECORDS = 1 << 32
_REMEDY = "copy it again from where it is whole, or export it again"


def fields(num_frames: int) -> dict[str, FieldKind]:
    """The fields of a file with room for so many frames per sample, in their order."""
    found = dict(_SAMPLE_FIELDS)
    for number in range(num_frames):
        found |= {f"frame_{number}": "picture", f"sum_{number}": "int"}
    return found


def row_type(num_frames: int) -> np.dtype[Any]:
    """The type of a row of such a file."""
    return np.dtype([(name, _KINDS[kind][1]) for name, kind in fields(num_frames).items()], align=True)


def checksum(*data: NDArray[np.uint8]) -> int:
    """XXH3_64 of the pieces, one after the other, as a signed number."""
    digest = xxhash.xxh3_64()
    for piece in data:
        digest.update(piece.data)
    return int.from_bytes(digest.digest(), "big", signed=True)


class Beton:
    """An opened file whose rows point nowhere but into it."""

    def __init__(self, path: str) -> None:
        """Raises DatasetError; OSError when the machine cannot read it."""
        self.path = path
        self._bytes = _map(path)
        size = len(self._bytes)
        header = self._read_header(size)
        self._stop = int(header["alloc_table_ptr"])
        self.num_samples = int(header["num_samples"])
        self.num_frames = self._count_frames(int(header["num_fields"]))
        """Frames that a sample can have."""
        kind = row_type(self.num_frames)
        begin = HEADER.itemsize + int(header["num_fields"]) * DESCRIPTOR.itemsize
        self._start = begin + self.num_samples * kind.itemsize
        if self._start > self._stop:
            raise self._damaged(f"{self.num_samples} rows should end at byte {self._start}, data at {self._stop}")
        self.rows: NDArray[Any] = self._bytes[begin : self._start].view(kind)
        """(n,) of `row_type`."""
        self.digest: str = xxhash.xxh3_128_hexdigest(self._bytes[: self._start].data)
        """32 hexadecimal digits over header and rows, and so over the checksum of everything."""
        self._check_rows()
        self._check_texts()
        self._sizes = self._check_frames()
        there = np.arange(self.num_frames) < self.rows["num_frames"][:, None]
        self.frame_bytes: NDArray[np.int64] = np.where(there, self._sizes, 0).sum(1)
        """(n,) bytes of the frames of each sample."""

    def key(self, row: int) -> str:
        """The key of a sample; bytes that are no UTF-8 stand in it as \\xff."""
        return self._read(self.rows["key"][row]).tobytes().decode(errors="backslashreplace")

    def text(self, row: int) -> bytes:
        """The json of a sample, without the zero byte that ends it in the file."""
        return self._read(self.rows["text"][row]).tobytes().removesuffix(b"\0")

    def text_damage(self, row: int) -> str | None:
        """The damage to key and json of a sample, as far as the checksum tells; None: intact."""
        found = checksum(*(self._read(self.rows[name][row]) for name in ("key", "text")))
        return _differ("its text", found, int(self.rows["text_sum"][row]))

    def frame(self, row: int, number: int) -> NDArray[np.uint8]:
        """The bytes of a frame: (H, W, 3) RGB if it is raw, (n,) of a JPEG if not; a view of the file."""
        picture = self.rows[f"frame_{number}"][row]
        start = int(picture["data_ptr"])
        data = self._bytes[start : start + int(self._sizes[row, number])]
        return data.reshape(int(picture["height"]), int(picture["width"]), 3) if picture["mode"] == RAW else data

    def frame_damage(self, row: int, number: int) -> str | None:
        """The damage to a frame, as far as the checksum tells; None: intact."""
        found = checksum(self.frame(row, number))
        return _differ(f"stored frame {number}", found, int(self.rows[f"sum_{number}"][row]))

    def _read(self, span: Any) -> NDArray[np.uint8]:
        return self._bytes[int(span["ptr"]) : int(span["ptr"]) + int(span["size"])]

    # ------------------------------------------------------------ checks, before anything is followed

    def _read_header(self, size: int) -> Any:
        if size < HEADER.itemsize:
            raise self._foreign(f"has {size} bytes, too few for a header")
        header = self._bytes[: HEADER.itemsize].view(HEADER)[0]
        if header["version"] != VERSION:
            raise self._foreign(f"says version {header['version']}, expected {VERSION}")
        stop = int(header["alloc_table_ptr"])
        fields_stop = HEADER.itemsize + int(header["num_fields"]) * DESCRIPTOR.itemsize
        if stop < fields_stop or stop > size or (size - stop) % ALLOCATION.itemsize:
            raise self._damaged(f"its last table should begin at byte {stop} of {size}: it was cut off or not finished")
        return header

    def _count_frames(self, num_fields: int) -> int:
        num_frames, odd = divmod(num_fields - len(_SAMPLE_FIELDS), 2)
        start = HEADER.itemsize
        descriptors = self._bytes[start : start + num_fields * DESCRIPTOR.itemsize].view(DESCRIPTOR)
        found = list(zip(descriptors["name"].tolist(), descriptors["type_id"].tolist(), strict=True))
        if odd or not 1 <= num_frames <= MAX_FRAMES:
            raise self._foreign(_list_fields(found))
        if found != [(name.encode(), _KINDS[kind][0]) for name, kind in fields(num_frames).items()]:
            raise self._foreign(_list_fields(found))
        return num_frames

    def _check_rows(self) -> None:
        rows = self.rows
        self._check("num_frames", (rows["num_frames"] < 1) | (rows["num_frames"] > self.num_frames))
        self._check("num_records", (rows["num_records"] < 0) | (rows["num_records"] > _MAX_RECORDS))
        steps = np.diff(rows["shard"], prepend=0)
        self._check("shard", (steps < 0) | (steps > 1))
        for name in ("fps", "duration", "start_time"):
            self._check(name, ~np.isfinite(rows[name]) | ((rows[name] < 0) & (name != "start_time")))

    def _check_texts(self) -> None:
        for name, limit in (("key", MAX_KEY_BYTES), ("text", MAX_TEXT_BYTES)):
            start, size = self.rows[name]["ptr"], self.rows[name]["size"]
            self._check(name, self._is_outside(start, size) | (size > limit))

    def _check_frames(self) -> NDArray[np.int64]:
        """(n, N) size of each frame, bytes."""
        table = self._bytes[self._stop :].view(ALLOCATION)
        expected = self.num_samples * (self.num_frames + 2)  # key, text and frames
        if len(table) != expected:
            raise self._damaged(f"its last table has {len(table)} rows, {expected} are needed: it was cut off")
        order = np.argsort(table["ptr"], kind="stable")
        starts, lengths = table["ptr"][order], table["size"][order]
        sizes = np.empty((self.num_samples, self.num_frames), np.int64)
        first = self.rows["frame_0"]
        for number in range(self.num_frames if self.num_samples else 0):
            name = f"frame_{number}"
            picture = self.rows[name]
            height, width = picture["height"].astype(np.uint64), picture["width"].astype(np.uint64)
            at = np.minimum(np.searchsorted(starts, picture["data_ptr"]), len(starts) - 1)
            size = np.where(picture["mode"] == RAW, 3 * height * width, lengths[at])
            wrong = (picture["mode"] > RAW) | (height < 1) | (width < 1) | (height > MAX_SIDE) | (width > MAX_SIDE)
            wrong |= (height * width > MAX_PIXELS) | (starts[at] != picture["data_ptr"]) | (lengths[at] != size)
            wrong |= self._is_outside(picture["data_ptr"], size)
            unlike = np.logical_or.reduce([picture[field] != first[field] for field in ("mode", "height", "width")])
            wrong |= unlike & (number < self.rows["num_frames"])
            self._check(name, wrong)
            sizes[:, number] = size
        return sizes

    def _is_outside(self, start: NDArray[np.uint64], size: NDArray[np.uint64]) -> NDArray[np.bool_]:
        stop = np.uint64(self._stop)
        return (start < self._start) | (start > stop) | (size > stop - np.minimum(start, stop))

    def _check(self, what: str, wrong: NDArray[np.bool_]) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._damaged(f"row {row}: {what} cannot be {self.rows[what][row]}")

    def _damaged(self, what: str) -> DatasetError:
        return DatasetError(f"{self.path}: {what}; {_REMEDY}")

    def _foreign(self, what: str) -> DatasetError:
        return DatasetError(
            f"{self.path}: not a file that python -m tools export-ffcv wrote: {what}; export the dataset with it"
        )


def _map(path: str) -> NDArray[np.uint8]:
    if os.path.isdir(path):
        raise WrongPlace(f"{path}: is a folder; source: ffcv reads one .beton file, and shards need no source")
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return np.empty(0, np.uint8)  # which cannot be mapped
            return np.frombuffer(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), np.uint8)
    except FileNotFoundError as error:
        raise WrongPlace(f"{path}: no such file; make it with python -m tools export-ffcv SHARDS {path}") from error


def _list_fields(found: list[tuple[bytes, int]]) -> str:
    names = ", ".join(ascii(name.decode("latin-1")) for name, _ in found[:12])
    return f"its {len(found)} fields are {names}{', ...' if len(found) > 12 else ''}"


def _differ(what: str, found: int, expected: int) -> str | None:
    if found == expected:
        return None
    mask = (1 << 64) - 1
    return f"{what} is damaged: checksum {found & mask:016x}, the file expects {expected & mask:016x}"
