"""Values as MosaicML Streaming and LitData write them: numbers, texts, json, lists of pictures.

Promises: sizes that the bytes state are compared with the bytes that are there; what does not fit is a Damaged. Bytes
that are a file (jpeg, png, video) are kept as they are. Raw pixels and arrays are no file: they are OPAQUE.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from shards.base import load_json
from tools.containers.files import Damaged

Decode = Callable[[bytes], Any]
MAX_JSON = 1 << 24


class _Opaque:
    """A value that is passed over."""


OPAQUE = _Opaque()
_MAX_ITEMS = 4096
"""Pictures or texts of one value."""
_NESTED_JSON, _TEXTS, _TEXT, _NONE = 0, 1, 7, 11
"""First bytes of LitData's lists and objects (its serializers, 0.2.76)."""


def as_text(data: bytes) -> str:
    """A text in UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Damaged(f"a text is not UTF-8 ({error}); write the record again, or accept the loss") from error


def as_json(data: bytes) -> Any:
    """A json value, within bounds."""
    try:
        return load_json(data, MAX_JSON)
    except ValueError as error:
        raise Damaged(f"a json value cannot be read ({error}); write the record again, or accept the loss") from error


def number(form: str) -> Decode:
    """A number in a form of the module struct, little-endian."""
    one = struct.Struct("<" + form)

    def decode(data: bytes) -> Any:
        _check(len(data) == one.size, f"a number has {len(data)} bytes, not {one.size}")
        return one.unpack(data)[0]

    return decode


def as_flag(data: bytes) -> bool:
    """A truth value of one byte."""
    _check(len(data) == 1, f"a truth value has {len(data)} bytes")
    return data != b"\0"


def as_number_text(data: bytes) -> Any:
    """A number that is written as text; kept as text where it is no finite number of json."""
    text = as_text(data)
    try:
        return json.loads(text, parse_constant=lambda name: name) if len(text) < 400 else text
    except ValueError:
        return text


def as_pictures(data: bytes, start: int = 0) -> list[bytes]:
    """Several pictures: uint32 count, uint32 size of each, the pictures. start: byte of the count."""
    _check(len(data) >= start + 4, f"a list of pictures has {len(data)} bytes")
    (count,) = struct.unpack_from("<I", data, start)
    _check(count <= _MAX_ITEMS and start + 4 + 4 * count <= len(data), f"a list claims {count} pictures")
    sizes = struct.unpack_from(f"<{count}I", data, start + 4)
    at = start + 4 + 4 * count
    _check(at + sum(sizes) == len(data), f"{count} pictures claim {sum(sizes)} bytes, there are {len(data) - at}")
    pictures = []
    for size in sizes:
        pictures.append(data[at : at + size])
        at += size
    return pictures


def as_nested(data: bytes) -> Any:
    """LitData's lists and objects: json, a text or a list of texts; OPAQUE for its lists of numbers and of objects."""
    kind = data[0] if data else _NONE
    if kind == _NONE:
        return None
    if kind > 0x20:
        return as_json(data)
    if kind == _NESTED_JSON:
        return as_json(_sized(data, 1)[0])
    if kind == _TEXT:
        return as_text(_sized(data, 1)[0])
    if kind != _TEXTS:
        return OPAQUE
    _check(len(data) >= 5, f"a list has {len(data)} bytes")
    (count,) = struct.unpack_from("<I", data, 1)
    _check(count <= _MAX_ITEMS, f"a list claims {count} texts")
    texts, at = [], 5
    for _ in range(count):
        text, at = _sized(data, at)
        texts.append(as_text(text))
    return texts


def opaque(data: bytes) -> _Opaque:
    """What is passed over."""
    return OPAQUE


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    """(bytes, position behind them) of what begins with its size in uint32."""
    _check(len(data) >= at + 4, "a text has no size")
    (size,) = struct.unpack_from("<I", data, at)
    _check(at + 4 + size <= len(data), f"a text claims {size} bytes, {len(data) - at - 4} are left")
    return data[at + 4 : at + 4 + size], at + 4 + size


def _check(fits: bool, what: str) -> None:
    if not fits:
        raise Damaged(f"{what}: damaged; write the record again, or accept the loss")
