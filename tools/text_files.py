"""Files of text lines, in the encodings and with the line ends that annotations come in.

Promises: a file is never loaded whole; bytes that are no text in its encoding become surrogates, so that only their
record is refused. Gives up: UTF-32, and encodings of one byte, whose letters beyond ASCII are broken bytes in UTF-8.
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import TextIO

from tools.rows import AnnotationError

_HEAD_BYTES = 1 << 20
"""Bytes from which encoding and line ends are told."""


def open_text(path: Path) -> TextIO:
    """A file of lines that end with LF or CRLF, or, where there is no LF, with CR. UTF-8 with or without byte order
    mark, whose broken bytes become surrogates, which text_flaw refuses per record; or UTF-16."""
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
        num_bytes = os.fstat(file.fileno()).st_size
    encoding, errors = "utf-8-sig", "surrogateescape"
    utf_16 = _utf_16(head)
    if utf_16:
        encoding, errors = utf_16, "surrogatepass"
        if num_bytes % 2:
            raise AnnotationError(f"{path}: is UTF-16 and ends in the middle of a character; fetch it again")
    newline = "\n" if b"\n" in head else "\r"
    return open(path, encoding=encoding, errors=errors, newline=newline if b"\r" in head else "\n")


def _utf_16(head: bytes) -> str:
    """The name of the encoding if it is UTF-16, else ""."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Without a mark: text of the first pages of Unicode has a zero in every character.
    half = len(head) // 2
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if half and zeros.count(0) > 0.8 * half > 4 * head.count(0) - 4 * zeros.count(0):
            return name
    return ""
