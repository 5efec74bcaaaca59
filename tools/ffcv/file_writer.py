"""An FFCV file in the making: rows are filled in their order, through the pieces of ffcv's DatasetWriter.

ffcv's own way forks workers, and waits for ever for one that died of a full disk; here one process writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from shards.base import ConversionError
from shards.dataset import MAX_TEXT_BYTES
from shards.read import FieldKind, checksum, fields, row_type
from tools.ffcv.samples import Failure, Ready

Mode = Literal["raw", "jpg"]
MODES: dict[str, Mode] = {"raw": "raw", "jpg": "jpg"}
_MIN_PAGE, _MAX_PAGE = 1 << 21, 1 << 30
"""Limits of the bytes of a page; a sample lies in one page. ffcv allows 2^31, but Linux writes less at once."""
_SAMPLES_PER_PAGE = {"raw": 4, "jpg": 1}
"""Samples of the largest size in a page, so that little is wasted at its end; JPEGs have a tenth of that size."""
_OWN_TEXT, _MOST_ESCAPED = 1 << 17, 6
"""Bytes that are added to the text of a sample, and the most bytes to which one byte of it is escaped."""
_JPEG_HEADER = 1 << 10
"""Bytes of a JPEG beside its pixels."""
SETTINGS = "export"
"""The field in the text of the first sample that says what the file was made of and how."""
_NO_FRAME = np.zeros((1, 1, 3), np.uint8)
"""Stored in place of a frame where a sample has fewer than others."""


class FileWriter:
    """Writes samples to a file in their order."""

    @staticmethod
    def check_installed() -> None:
        """Raise ConversionError where ffcv cannot be imported."""
        _import_ffcv()

    @staticmethod
    def page_bytes(sizes: Iterable[tuple[int, int]], num_frames: int, mode: Mode, free: int) -> int:
        """The size of a page into which every sample fits: a power of two.

        sizes: (bytes of frames, bytes of text) of each sample. free: bytes that the disk has. Raises ConversionError
        where raw frames do not fit on it, or a sample in no page.
        """
        largest = total = 0
        for frames, text in sizes:
            largest = max(largest, _most_bytes(frames, num_frames, _MOST_ESCAPED * text + _OWN_TEXT))
            total += frames
        if mode == "raw" and total > free:
            raise ConversionError(
                f"the frames take {total / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB left; use --mode jpg, fewer "
                "frames, or a smaller side"
            )
        for wanted in (_SAMPLES_PER_PAGE[mode] * largest, largest):
            page = max(_MIN_PAGE, 1 << (wanted - 1).bit_length())
            if page <= _MAX_PAGE:
                return page
        raise ConversionError(
            f"one sample takes up to {largest} bytes, and a page has at most {_MAX_PAGE}; take fewer frames or a "
            "smaller side"
        )

    def __init__(
        self,
        path: str,
        num_frames: int,
        capacity: int,
        page_bytes: int,
        mode: Mode,
        quality: int,
        settings: dict[str, Any],
    ) -> None:
        """settings: what the file is made of and how; stored with its first sample."""
        self._ffcv = _import_ffcv()
        self._settings = settings
        self._num_frames, self._page_bytes = num_frames, page_bytes
        self.num_samples = self.num_records = 0
        self._names: list[str] = []
        kinds = self._ffcv.kinds
        make: dict[FieldKind, Callable[[], Any]] = {
            "float": kinds.FloatField,
            "int": kinds.IntField,
            "bytes": kinds.BytesField,
            "json": kinds.JSONField,
            "picture": lambda: kinds.RGBImageField(write_mode=mode, jpeg_quality=quality),
        }
        self._fields = {name: make[kind]() for name, kind in fields(num_frames).items()}
        self._file = self._ffcv.writer.DatasetWriter(path, self._fields, page_bytes)
        assert self._file.metadata_type.itemsize == row_type(num_frames).itemsize
        self._file.num_samples = capacity
        self._file.prepare()
        # ffcv keeps the rows in /dev/shm, which has 64 MB in a container; a process that writes more is killed.
        shared, self._file.metadata_sm = self._file.metadata_sm, None
        shared.close()
        shared.unlink()
        self._rows = np.zeros(capacity, self._file.metadata_type)
        self._named_rows = self._rows.view(row_type(num_frames))
        start = self._file.data_region_start
        self._pages = self._ffcv.memory_allocator.MemoryAllocator(path, start, page_bytes)

    def __enter__(self) -> FileWriter:
        self._pages.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Finish the file, unless something went wrong."""
        if error is not None:
            self._pages.fp.close()
            return
        self._pages.__exit__(None, None, None)
        self._file.metadata_sm = SimpleNamespace(buf=self._rows.view(np.uint8).data)
        self._file.header["num_samples"] = self.num_samples
        self._file.finalize(self._pages.allocations)

    def write(self, ready: Ready) -> Failure | None:
        """Append a sample; returns the reason if it does not fit."""
        if not self.num_samples:
            ready.text[SETTINGS] = self._settings
        key = np.frombuffer(ready.origin.key.encode(), np.uint8)
        text = len(json.dumps(ready.text)) + 1
        needed = _most_bytes(ready.frames.nbytes, self._num_frames, key.size + text)
        if text > MAX_TEXT_BYTES or needed > self._page_bytes:
            return Failure.of(ready.origin, "write", f"frames take {ready.frames.nbytes} bytes, text {text}: too many")
        if ready.origin.shard not in self._names[-1:]:
            self._names.append(ready.origin.shard)
        facts, row = ready.facts, self.num_samples
        values: list[Any] = [key, ready.text, 0, len(self._names) - 1, ready.num_records, facts.num_frames]
        values += [facts.fps, facts.duration, facts.start_time]
        for number in range(self._num_frames):
            values += [ready.frames[number] if number < facts.num_frames else _NO_FRAME, 0]
        self._ffcv.writer.handle_sample(
            values, row, self._file.metadata_type.names, self._rows, self._pages, self._fields
        )
        self._note_checksums(row)
        self.num_samples += 1
        self.num_records += ready.num_records
        return None

    def _note_checksums(self, row: int) -> None:
        """Fill in the checksums of the sample that was written last, from its page."""
        page, values = self._pages, self._named_rows[row]
        begin = page.offset + page.my_page * page.page_size
        written = [
            page.page_data[start - begin : start - begin + size]
            for _, start, size in page.allocations[-2 - self._num_frames :]
        ]
        values["text_sum"] = checksum(*written[:2])
        for number, frame in enumerate(written[2:]):
            values[f"sum_{number}"] = checksum(frame)


def _import_ffcv() -> Any:
    """The parts of ffcv that are used. Raises ConversionError."""
    try:
        from ffcv import fields as kinds
        from ffcv import memory_allocator, writer
    except (ImportError, OSError) as error:
        raise ConversionError(
            f"ffcv cannot be imported ({error}); install it: apt-get install libopencv-dev libturbojpeg0-dev "
            "pkg-config g++, then pip install 'mcg-streams[ffcv]' (in a checkout: make ffcv)"
        ) from error
    return SimpleNamespace(kinds=kinds, memory_allocator=memory_allocator, writer=writer)


def _most_bytes(frames: int, num_frames: int, text: int) -> int:
    """The most bytes that a sample takes, as pixels or JPEG, whose frames and text have so many bytes."""
    return frames + frames // 4 + _JPEG_HEADER * num_frames + text
