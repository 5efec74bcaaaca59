"""Files as `python -m tools export-ffcv` writes them, made with numpy alone, so that their tests need no ffcv."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from shards.dataset.members.records import parse_texts
from shards.decode.cpu import decode
from shards.read.beton import _KINDS, ALLOCATION, DESCRIPTOR, HEADER, RAW, VERSION, checksum, fields, row_type
from shards.read.fetched import Fetched
from shards.read.reader import Reader
from tests.shards.small_dataset import SIDE

PAGE = 1 << 12


class Stored(NamedTuple):
    """A sample to be."""

    key: str
    frames: np.ndarray
    """uint8 (n, H, W, 3)."""
    records: list[dict[str, Any]]
    meta: dict[str, Any]
    shard: str = "000000.tar"
    fps: float = 2.0


def write_beton(path: Path, samples: Sequence[Stored], num_frames: int = 2, mode: int = RAW) -> Path:
    """Write a file with room for num_frames frames per sample."""
    kind = row_type(num_frames)
    rows = np.zeros(len(samples), kind)
    names = list(dict.fromkeys(sample.shard for sample in samples))
    begin = HEADER.itemsize + len(fields(num_frames)) * DESCRIPTOR.itemsize + rows.nbytes
    data, allocations = bytearray(-begin % PAGE), []

    def put(number: int, piece: bytes) -> tuple[int, int]:
        allocations.append((number, begin + len(data), len(piece)))
        data.extend(piece)
        return allocations[-1][1:]

    for number, (sample, row) in enumerate(zip(samples, rows, strict=True)):
        content = {
            "dataset": "toy",
            "shard": sample.shard,
            "times": [0.0] * len(sample.frames),
            "records": sample.records,
            "meta": sample.meta,
        }
        key, text = sample.key.encode(), json.dumps(content).encode() + b"\0"
        row["key"], row["text"] = put(number, key), put(number, text)
        row["text_sum"] = checksum(np.frombuffer(key, np.uint8), np.frombuffer(text, np.uint8))
        row["shard"], row["num_records"] = names.index(sample.shard), len(sample.records)
        row["num_frames"], row["fps"], row["duration"] = len(sample.frames), sample.fps, 1.0
        for place in range(num_frames):
            there = place < len(sample.frames)
            frame = sample.frames[place] if there else np.zeros((1, 1, 3), np.uint8)
            piece = frame.tobytes() if mode == RAW else jpeg(frame)
            row[f"frame_{place}"] = (mode, frame.shape[1], frame.shape[0], put(number, piece)[0])
            row[f"sum_{place}"] = checksum(np.frombuffer(piece, np.uint8))
    header = np.array((VERSION, len(fields(num_frames)), PAGE, len(samples), begin + len(data)), HEADER)
    described = np.zeros(len(fields(num_frames)), DESCRIPTOR)
    described["name"] = list(fields(num_frames))
    described["type_id"] = [_KINDS[kind][0] for kind in fields(num_frames).values()]
    table = np.array(allocations, ALLOCATION)
    path.write_bytes(b"".join([header.tobytes(), described.tobytes(), rows.tobytes(), bytes(data), table.tobytes()]))
    return path


def jpeg(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=95)
    return file.getvalue()


def beton_of(folder: Path, path: Path, mode: int = RAW) -> Path:
    """The pictures of a small dataset (small_dataset.py), stored."""
    from shards.media.clip_plan import ClipPlan

    reader, samples = Reader("toy", str(folder), "sample"), []
    plan = ClipPlan((0,), (SIDE, SIDE), (0, 0, SIDE, SIDE))
    for shard, count in enumerate(reader.counts.tolist()):
        for row, fetched in enumerate(reader.fetch([shard] * count, range(count))):
            assert isinstance(fetched, Fetched) and fetched.json is not None
            texts, origin = parse_texts(bytes(fetched.json), None), reader.origin_of(shard, row)
            frames = decode(bytes(fetched.media), "image", plan)
            samples.append(Stored(origin.key, frames, texts.records, texts.meta, origin.shard))
    return write_beton(path, samples, mode=mode)


def numbered(num_samples: int, num_frames: int = 2, size: tuple[int, int] = (6, 8)) -> list[Stored]:
    """Samples of noise, three to a shard, with 1, 2, 1, 2... records."""
    samples = []
    for number in range(num_samples):
        frames = np.random.default_rng(number).integers(0, 256, (num_frames, *size, 3), np.uint8)
        records = [{"caption": f"{number}-{record}"} for record in range(1 + number % 2)]
        samples.append(Stored(f"k{number}", frames, records, {"number": number}, f"{number // 3:06d}.tar"))
    return samples
