"""tf.train.Example, read from the wire format of protocol buffers without generated code.

Example {1: Features}; Features {1: map of name to Feature}; Feature {1: BytesList, 2: FloatList, 3: Int64List}, each
{1: values}, numbers packed or one by one (tensorflow/core/example/feature.proto).
Promises: lengths are compared with the bytes that are there, and counts are bounded; other fields are passed over, as
protocol buffers want it; what is no Example is a Damaged.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from tools.containers.files import Damaged

_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_MAX_FEATURES = 4096
_MAX_VALUES = 1 << 16
"""Values of one feature; more are no text, medium or id."""
_FLOAT = struct.Struct("<f")


def parse_example(data: bytes) -> dict[str, list[Any]]:
    """Feature -> its values: bytes, floats or whole numbers. Raises Damaged."""
    features: dict[str, list[Any]] = {}
    for number, kind, features_message in _fields(memoryview(data)):
        if number != 1 or kind != _SIZED:
            continue
        for entry_number, entry_kind, entry in _fields(features_message):
            if entry_number == 1 and entry_kind == _SIZED:
                name, values = _entry(entry)
                features[name] = values
                if len(features) > _MAX_FEATURES:
                    raise _damaged(f"has more than {_MAX_FEATURES} features")
    if data and not features:
        raise _damaged("is no tf.train.Example, or one without features")
    return features


def _entry(message: Any) -> tuple[str, list[Any]]:
    """(name, values) of an entry of the map."""
    name, values = "", list[Any]()
    for number, kind, value in _fields(message):
        if number == 1 and kind == _SIZED:
            try:
                name = bytes(value).decode()
            except UnicodeDecodeError:
                raise _damaged("has a feature whose name is not UTF-8") from None
        elif number == 2 and kind == _SIZED:
            for form, list_kind, values_message in _fields(value):
                if form in (1, 2, 3) and list_kind == _SIZED:
                    values = list(_values(form, values_message))
    return name, values


def _values(form: int, message: Any) -> Iterator[Any]:
    count = 0
    for number, kind, value in _fields(message):
        if number != 1:
            continue
        for one in _unpacked(form, kind, value):
            count += 1
            if count > _MAX_VALUES:
                raise _damaged(f"has a feature with more than {_MAX_VALUES} values")
            yield one


def _unpacked(form: int, kind: int, value: Any) -> Iterator[Any]:
    """The values of one field of a list."""
    if form == 1 and kind == _SIZED:
        yield bytes(value)
    elif form == 2 and kind == _FIXED32:
        yield _FLOAT.unpack(value)[0]
    elif form == 2 and kind == _SIZED:
        if len(value) % 4:
            raise _damaged("has a list of floats that ends in the middle of one")
        for at in range(0, len(value), 4):
            yield _FLOAT.unpack(value[at : at + 4])[0]
    elif form == 3 and kind == _VARINT:
        yield _signed(value)
    elif form == 3 and kind == _SIZED:
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            yield _signed(one)


def _fields(message: Any) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field of a message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, kind, value
            continue
        if kind == _SIZED:
            size, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise _damaged(f"has a field of wire type {kind}")
        if number == 0 or at + size > len(message):
            raise _damaged(f"has a field that claims {size} bytes, {len(message) - at} are left")
        yield number, kind, message[at : at + size]
        at += size


def _varint(message: Any, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise _damaged("has a number that does not end")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _damaged(what: str) -> Damaged:
    return Damaged(f"{what}; write the record again, or accept the loss")
