"""Paths into the fields of a json: the value at a path, and the paths that lead to text.

Promises: `look_up` finds what `with_text` names. Memory and time are bounded by the json.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_DEPTH = 3
_LONGEST = 200
"""Most characters of a path that is named."""
_LOOKED_AT = 200
"""Fields of an object, and entries of a list, that are looked at for text."""


def look_up(fields: Any, path: str) -> Any:
    """The value at a path, None where there is none.

    Dots lead into objects, numbers into lists, and other names into all entries of a list.
    """
    if isinstance(fields, dict):
        if path in fields:
            return fields[path]
        name, dot, rest = path.partition(".")
        return look_up(fields.get(name), rest) if dot else None
    if isinstance(fields, list):
        name, dot, rest = path.partition(".")
        if name.isdecimal() and len(name) < 9:
            item = fields[int(name)] if int(name) < len(fields) else None
            return look_up(item, rest) if dot else item
        found = [look_up(item, path) for item in fields]
        return found if any(item is not None for item in found) else None
    return None


def with_text(fields: dict[str, Any], most: int) -> list[str]:
    """Paths of values with text, those with the most words first."""
    words: dict[str, int] = {}
    for path, text in _texts(fields, "", _DEPTH):
        if len(path) <= _LONGEST:
            words[path] = words.get(path, 0) + len(text.split())
    return sorted(words, key=lambda path: (-words[path], path))[:most]


def _texts(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if value.strip():
            yield path, value
    elif isinstance(value, dict) and depth:
        for name in list(value)[:_LOOKED_AT]:
            yield from _texts(value[name], f"{path}.{name}" if path else name, depth - 1)
    elif isinstance(value, list):
        for item in value[:_LOOKED_AT]:
            if not isinstance(item, list):
                yield from _texts(item, path, depth)
