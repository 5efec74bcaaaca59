"""The text records of a sample, read without its medium.

A json member that is an object with "records" is ours. Otherwise there is one record: the fields of the json object,
and "caption" from a .txt member when the json has none (img2dataset, video2dataset, webdataset).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from shards.index import MAX_TEXT_BYTES
from shards.source import Source


class TextError(ValueError):
    """Text members that cannot be read as records; the message is the reason."""


def read_records(shards: Source, shard: str, members: Iterable[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """The records of a sample with these members (ext, offset, size). Raises TextError, SourceError."""
    texts = {ext: _read(shards, shard, ext, offset, size) for ext, offset, size in members if ext in ("json", "txt")}
    content = parse(texts["json"]) if "json" in texts else {}
    records = own_records(content)
    if records is not None:
        return records
    if "txt" in texts and content.get("caption") is None:
        try:
            content["caption"] = texts["txt"].decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise TextError(f"txt is no UTF-8 ({error})") from error
    return [content] if content else []


def parse(text: bytes) -> dict[str, Any]:
    """A json member's content, by the rules of the reader. Raises TextError."""

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no json")

    try:
        content = json.loads(text, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise TextError(f"json cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise TextError(f"json should be an object, is a {type(content).__name__}")
    return content


def own_records(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The list "records" of a json member that this code wrote, None when it is of another kind. Raises TextError."""
    if "records" not in content:
        return None
    records = content["records"]
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise TextError("json should be an object with a list of objects under 'records'")
    return records


def _read(shards: Source, shard: str, ext: str, offset: int, size: int) -> bytes:
    if not 0 <= size <= MAX_TEXT_BYTES or offset < 0:
        raise TextError(f".{ext} has {size} bytes at {offset}, the limit is {MAX_TEXT_BYTES}")
    data = shards.read(shard, offset, size)
    if len(data) < size:
        raise TextError(
            f".{ext} should be bytes {offset} to {offset + size}, the shard ends after {offset + len(data)}"
        )
    return data
