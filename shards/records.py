"""What text records a sample has: one answer for samples of ours and for those made elsewhere.

Promises: json is parsed with limits (no NaN, no infinity, no endless digits or nesting), so hostile text gives records
or a TextError with the reason, nothing else. The rules, in order:
- json is an object with a list of objects under "records": those are the records, the other fields are the meta (ours).
- Else there is one record: the fields of the json object, and "caption" from the txt (stripped) where json gives none
  (img2dataset, video2dataset, webdataset). Its meta is empty: every field belongs to the record.
- No field and no caption: the sample has no text.
"records" that is no list of objects is damage and never foreign text: it would train on what the writer did not mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from shards.media import MEDIA_EXTENSIONS
from shards.printing import PrintableError

TEXT_EXTENSIONS = ("json", "txt")


class TextError(PrintableError, ValueError):
    """Text members that give no record; the message is the reason."""


class Texts(NamedTuple):
    """The text of a sample."""

    records: list[dict[str, Any]]
    meta: dict[str, Any]
    """What the json says about the sample as a whole."""


class Chosen(NamedTuple):
    """Numbers of the members of a sample that are read; the others are listed in the index and left alone."""

    media: int
    json: int | None
    txt: int | None


def choose(extensions: Sequence[str]) -> Chosen:
    """Say which members of a sample are its medium and its texts, the first of each. Raises TextError."""
    media = next((i for i, ext in enumerate(extensions) if ext in MEDIA_EXTENSIONS), None)
    text = [next((i for i, found in enumerate(extensions) if found == ext), None) for ext in TEXT_EXTENSIONS]
    if media is None or text == [None, None]:
        found = ", ".join(extensions) or "nothing"
        raise TextError(f"needs a medium and a json or txt, has {found[:200]}")
    return Chosen(media, *text)


def parse(json_text: bytes | None, txt: bytes | None) -> Texts:
    """Find the records of a sample from its json and txt members (None: it has none). Raises TextError."""
    content: dict[str, Any] = {}
    if json_text is not None:
        content = _load(json_text)
        if "records" in content:
            records = content.pop("records")
            if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
                raise TextError("json should be an object with a list of objects under 'records'")
            return Texts(records, content)
    if txt is not None and content.get("caption") is None:
        try:
            caption = txt.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise TextError(f"txt is not utf-8 ({error})") from error
        if caption:
            content["caption"] = caption
    if not content:
        raise TextError("has no text: neither a field in json nor a caption in txt")
    return Texts([content], {})


def _load(text: bytes) -> dict[str, Any]:
    try:
        content = _DECODER.decode(text.decode(json.detect_encoding(text), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise TextError(f"json cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise TextError(
            f"json should be an object with a list of objects under 'records', or with the fields of one record; "
            f"it is a {type(content).__name__}"
        )
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no json")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:40]} is beyond what a float holds")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
"""`json.loads` would make one for every text."""
