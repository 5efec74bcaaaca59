"""Json with NaN and infinities, which the format does not have and many tools write.

Promises: `load_odd` reads such a json and says what it holds, so that the caller can decide whether it matters.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from shards.base.errors import PrintableError
from shards.base.json_text import check_json


def load_odd(text: str) -> tuple[Any, str | None]:
    """(content of a json, a remark on its first number that is not finite, or None). Raises ValueError."""
    check_json(text)
    try:
        return _DECODER.decode(text), None
    except _NotFinite as error:
        return _LENIENT.decode(text), str(error)


def without_nan(value: Any) -> Any:
    """The same value with null for each number that is NaN or infinite."""
    if isinstance(value, dict):
        return {name: without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _NotFinite(PrintableError, ValueError):
    """NaN, an infinity, or a number beyond the range of a float."""


def _no_constant(name: str) -> NoReturn:
    raise _NotFinite(f"{name} is no json")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NotFinite(f"the number {digits[:40]} is beyond what a float holds")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
"""Made once: `json.loads` with hooks would make a decoder for every text."""
_LENIENT = json.JSONDecoder()
