"""Text from data made safe to print: no control characters, one line, a limit of length, no secrets.

Names, keys, ids, texts and messages of libraries come from data, and data is hostile. Promises: no character of a safe
text moves a cursor, ends a line, reverses it or hides in it: control characters, escapes, line ends, bidirectional and
invisible characters, tags and lone surrogates are spelled out (`\\x1b`, `\\u202e`). A line has at most LONGEST_LINE
characters, cut in the middle, so that the file at its beginning and the remedy at its end stay.
"""

from __future__ import annotations

import re
import unicodedata

from shards.base.redact import scrub

LONGEST_LINE = 2000
"""The most characters of a line of an error or a log."""
_MOST_READ = 20
"""So many times the limit of a line is scrubbed before the cut: a cut through an address may leave half a secret."""
_LINE_ENDS = re.compile("[ \t]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+\\s*")
_JOINERS = "\u200c\u200d"
_STYLES = "\ufe0e\ufe0f"
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""Characters that show nothing, though Unicode calls them letters or marks, or has not assigned them."""


def printable(text: str, limit: int | None = None) -> str:
    """Text in which nothing steers a terminal or hides; the end is cut off beyond `limit` characters."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    shown = (char if _is_harmless(char, before, after) else _spelled(char) for before, char, after in _neighbours(text))
    return "".join(shown)


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    """A message as one printable line without secrets: line ends become spaces, a long one loses its middle."""
    if len(text) > _MOST_READ * limit:  # first, because the rest is slow on megabytes
        text = _without_middle(text, _MOST_READ * limit)
    line = printable(scrub(_LINE_ENDS.sub(" ", text)).rstrip())
    return line if len(line) <= limit else _without_middle(line, limit)


def _without_middle(text: str, limit: int) -> str:
    tail = limit // 3
    left_out = f" …[{len(text) - limit} more characters]… "
    return text[: max(0, limit - tail - len(left_out))] + left_out + text[-tail:]


def _neighbours(text: str) -> zip[tuple[str, str, str]]:
    return zip(" " + text[:-1], text, text[1:] + " ", strict=True)


def _is_harmless(char: str, before: str, after: str) -> bool:
    if char in _JOINERS:  # needed in emoji and in words of some scripts; elsewhere they hide
        return _is_joined(before) and (_is_joined(after) or char == "\u200c")
    if char in _STYLES:  # the look of the emoji before it
        return unicodedata.category(before) in ("So", "Sm", "Po", "Pd", "Nd")
    if _INVISIBLE.match(char):
        return False
    return char.isprintable() or unicodedata.category(char) in ("Zs", "Co", "Cn")


def _is_joined(char: str) -> bool:
    return char in _STYLES or unicodedata.category(char) in ("Lo", "Mn", "Mc", "So", "Sk")


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
