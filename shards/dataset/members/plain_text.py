"""Text as people write it: what counts as a text, and how the bytes of a txt become one."""

from __future__ import annotations

import codecs
import json
from typing import Any

from shards.base.errors import PrintableError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class TextError(PrintableError, ValueError):
    """Text members that give no record; the message is the reason."""


def plain_text(txt: bytes | None) -> str:
    """The caption in a txt, stripped; "" if it is blank. Raises TextError."""
    if txt is None:
        return ""
    encoding = "utf-8-sig"
    if txt[:1] in (b"\xff", b"\xfe", b"\0") or b"\0" in txt:
        # Known by its byte order mark, else by the positions of the zeros, as in a json.
        encoding = next((name for mark, name in _MARKS if txt.startswith(mark)), None) or json.detect_encoding(txt)
    try:
        caption = txt.decode(encoding).strip()
    except UnicodeDecodeError as error:
        raise TextError(f"txt is not utf-8 ({error}); convert it, as in: iconv -f LATIN1 -t UTF-8") from error
    if "\0" in caption:
        raise TextError("txt holds zero bytes; is it text at all? convert it to utf-8")
    return caption if is_text(caption) else ""


def is_text(value: Any) -> bool:
    """True for a text with at least one visible character, if all its characters are whole."""
    if not isinstance(value, str):
        return False
    return (value[:1].isalnum() or any(map(str.isprintable, value.strip()))) and is_whole(value)


def is_whole(text: str) -> bool:
    """True if a text can be encoded; json lets halves of characters (lone surrogates) pass."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
