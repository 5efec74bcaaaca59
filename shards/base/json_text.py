"""JSON from untrusted sources, read within bounds of memory and depth.

Promises: a loaded value takes at most about 100 bytes for each of max_values (by default MAX_VALUES) values beside its
text (measured: 64 for `[],[],[]`), and is nested at most MAX_DEPTH deep, so that recursive code may walk it. Everything
else is a ValueError that says what is wrong.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

MAX_VALUES = 1 << 20
MAX_DEPTH = 100
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def load_json(data: bytes | str, max_bytes: int = 1 << 25, max_values: int = MAX_VALUES) -> Any:
    """The value of a JSON text in any encoding that JSON knows."""
    if len(data) > max_bytes:
        raise ValueError(f"has {len(data)} bytes, the limit is {max_bytes}")
    text = data if isinstance(data, str) else decode_json(data)
    check_json(text, max_values)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"is nested more than {MAX_DEPTH} deep") from error


def decode_json(data: bytes) -> str:
    """The text of a JSON in any encoding that JSON knows, halves of characters included. Raises ValueError."""
    # The usual beginnings: finding out the encoding costs more than the rest.
    encoding = "utf-8" if data.startswith((b'{"', b"{ ", b"{\n", b"[{")) else json.detect_encoding(data)
    return data.decode(encoding, "surrogatepass")


def check_json(text: str, max_values: int = MAX_VALUES) -> None:
    """Refuse (ValueError) a text that would take too much memory to load; costs next to nothing for a short one."""
    opened = text.count("[") + text.count("{")
    if opened + text.count(",") > max_values:
        raise ValueError(f"holds more than {max_values} values")
    if opened > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError(f"is nested more than {MAX_DEPTH} deep")


def _depth(text: str) -> int:
    """Nesting depth of the brackets outside strings."""
    marks = np.frombuffer(_TEXTS.sub("", text).encode("ascii", "replace"), np.uint8)
    # [ ] are 91 and 93, { } are 123 and 125
    steps = np.isin(marks, (91, 123)).astype(np.int32) - np.isin(marks, (93, 125))
    return int(np.cumsum(steps).max(initial=0))
