"""The two members of a new sample, KEY.EXT and KEY.json, checked before they are written.

A key or extension that a WebDataset reader would drop or read as another one is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shards.base.errors import SampleRefused
from shards.dataset.index.rows import MAX_MEDIA_BYTES, MAX_TEXT_BYTES
from shards.media.kinds import MEDIA_EXTENSIONS

_MAX_NAME_BYTES = 100
"""Bytes of the name field of a tar header."""


class DuplicateKey(SampleRefused):
    """A key that the dataset already has."""


def new_members(
    key: str, media: bytes, ext: str, records: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]
) -> dict[str, bytes]:
    """Extension -> bytes of the members of a sample. Raises SampleRefused."""
    members = {"json": _text_member(key, records, meta), ext: media}
    _check_key(key)
    _check_members(key, members)
    return members


def _check_key(key: str) -> None:
    def refuse(why: str) -> SampleRefused:
        return SampleRefused(f"key {key!r} {why}")

    if not isinstance(key, str) or not key:
        raise refuse("is empty")
    if not key.isprintable() or "\ufffd" in key:
        raise refuse("has characters that do not print")
    if "\\" in key or any(piece in ("", ".", "..") for piece in key.split("/")):
        raise refuse("is not a plain relative path")
    if "." in key:
        raise refuse("has a dot; WebDataset ends a key at the first one, replace dots when making keys")
    if key.startswith("_"):
        raise refuse("starts with an underscore; WebDataset drops such names")


def _check_members(key: str, members: Mapping[str, bytes]) -> None:
    for ext, data in members.items():
        if ext not in ("json", *MEDIA_EXTENSIONS):
            raise SampleRefused(f"key {key!r}: extension {ext!r} is unknown; known: {', '.join(MEDIA_EXTENSIONS)}")
        name_bytes = len(f"{key}.{ext}".encode())
        if name_bytes > _MAX_NAME_BYTES:
            raise SampleRefused(f"key {key[:40]!r}...: the name has {name_bytes} bytes, a tar allows {_MAX_NAME_BYTES}")
        limit = MAX_TEXT_BYTES if ext == "json" else MAX_MEDIA_BYTES
        if not data or len(data) > limit:
            raise SampleRefused(f"key {key!r}: {ext} has {len(data)} bytes, allowed are 1 to {limit}")
    if len(members) != 2:
        raise SampleRefused(f"key {key!r}: the medium itself is called json")


def _text_member(key: str, records: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]) -> bytes:
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise SampleRefused(f"key {key!r}: needs a list of one or more records (objects), has {str(records)[:80]}")
    if "records" in meta:
        raise SampleRefused(f"key {key!r}: meta has a field 'records', which is taken by the records themselves")
    content = {"records": [dict(record) for record in records], **meta}
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SampleRefused(f"key {key!r}: records or meta cannot be written as json ({error})") from error
