"""The entries of one JSON object, one after the other, from a file of any size.

Promises: a block of the file and one entry are in memory, never the file. Gives up: a key that stands twice is not
noticed, for all keys would have to be remembered; the file must be UTF-8.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.rows import AnnotationError

BLOCK_BYTES = 1 << 20
MAX_ENTRY_CHARS = 1 << 28
"""Characters of one entry; a longer one is a file that is cut, or no object of entries."""
_SPACE = re.compile(r"[ \t\r\n]*")


def object_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """(key, value) of each entry of the object that a file holds. Raises AnnotationError with the place."""
    reader = _Reader(path)
    try:
        yield from reader.entries()
    except RecursionError as error:
        raise reader.wrong("brackets within brackets, more than can be read") from error


class _Reader:
    """A window on the text of a file: what is read and not used yet."""

    def __init__(self, path: Path) -> None:
        self._path, self._text, self._at, self._used = path, "", 0, 0
        self._decoder = json.JSONDecoder()
        self._blocks = self._read()

    def entries(self) -> Iterator[tuple[str, Any]]:
        if self._next() != "{":
            raise self.wrong(f"expected an object, {{, found {self._peek()}")
        self._at += 1
        if self._next() == "}":
            self._at += 1
            return self._end()
        while True:
            if self._next() != '"':
                raise self.wrong(f"expected a key in quotes, found {self._peek()}")
            key = self._value()
            if self._next() != ":":
                raise self.wrong(f"expected : behind the key {key[:40]!r}, found {self._peek()}")
            self._at += 1
            self._next()
            yield key, self._value()
            mark = self._next()
            self._at += 1
            if mark == "}":
                return self._end()
            if mark != ",":
                self._at -= 1
                raise self.wrong(f"expected , or }} behind the entry {key[:40]!r}, found {self._peek()}")

    def wrong(self, what: str) -> AnnotationError:
        place = self._used + self._at + 1
        return AnnotationError(f"{self._path} character {place:,}: {what}; fetch or convert the file again")

    def _read(self) -> Iterator[str]:
        decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        with open(self._path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield decode(block)
        yield decode(b"", True)

    def _more(self) -> bool:
        """Read a block to the end of the window; False at the end of the file."""
        block = next(self._blocks, None)
        if block is None:
            return False
        self._used, self._text, self._at = self._used + self._at, self._text[self._at :] + block, 0
        return True

    def _next(self) -> str:
        """The next character that is no space, without using it; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _peek(self) -> str:
        while len(self._text) - self._at < 20 and self._more():
            pass
        return repr(self._text[self._at : self._at + 20]) if self._at < len(self._text) else "the end of the file"

    def _value(self) -> Any:
        size = BLOCK_BYTES
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number near the end of the window may go on, at most with "e-5" before it is another one.
                if len(self._text) - end >= 3 or not self._more():
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                is_open = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - 16
                if not is_open:  # more text would not help
                    raise self.wrong(f"not JSON ({error.msg} at {self._text[error.pos : error.pos + 20]!r})") from error
                # Twice as much each time, so that a long entry is not parsed once for each of its blocks.
                wanted, size = size, 2 * size
                if len(self._text) - self._at > MAX_ENTRY_CHARS:
                    raise self.wrong(f"an entry of more than {MAX_ENTRY_CHARS:,} characters") from error
                had = len(self._text) - self._at
                while len(self._text) - self._at < had + wanted:
                    if not self._more():
                        break
                if len(self._text) - self._at == had:
                    raise self.wrong(f"not JSON ({error.msg})") from error

    def _end(self) -> None:
        if self._next():
            raise self.wrong(f"expected the end of the file, found {self._peek()}")
