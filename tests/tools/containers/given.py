"""Containers that their own libraries wrote (fixtures/README.md), and TFRecords as TensorFlow writes them."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import crc32c

FIXTURES = Path(__file__).parent / "fixtures"
CLIPS = [(FIXTURES / f"src/clip{number}.mp4").read_bytes() for number in range(3)]
PICTURES = [(FIXTURES / f"src/pic{number}.jpg").read_bytes() for number in range(3)]
OF_CLIPS = ["a narrow alley at night", "a bird sits on a branch", "a person crosses dunes"]
OF_PICTURES = ["a ginger cat looks up", "a purple flower", "a bowl of fruit"]


def copy_of(name: str, folder: Path) -> Path:
    """A copy of a fixture that a test may damage."""
    return Path(shutil.copytree(FIXTURES / name, folder / name))


def change_json(path: Path, *keys: Any, value: Any) -> None:
    """Change one value inside a json file."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(content))


def example(**features: Iterable[bytes | str | int | float]) -> bytes:
    """A tf.train.Example with these features, as TensorFlow writes it."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(list(values)))) for name, values in features.items()
    )
    return _field(1, entries)


def write_tfrecords(path: Path, records: Iterable[bytes]) -> list[int]:
    """Write a file of records; returns the byte at which each begins."""
    offsets = []
    with open(path, "wb") as file:
        for data in records:
            offsets.append(file.tell())
            length = struct.pack("<Q", len(data))
            file.write(length + _masked(length) + data + _masked(data))
    return offsets


def _masked(data: bytes) -> bytes:
    crc = crc32c.crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _feature(values: list[Any]) -> bytes:
    if not values or isinstance(values[0], bytes | str):
        return _field(1, b"".join(_field(1, value.encode() if isinstance(value, str) else value) for value in values))
    if isinstance(values[0], float):
        return _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
    return _field(3, _field(1, b"".join(_varint(value & (1 << 64) - 1) for value in values)))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
