"""Word pieces as people write them: "t-shirt" and "man's" for "t - shirt" and "man ' s"."""

from __future__ import annotations

import re

_JOINED = re.compile(r"(?<=\w) ?([-'’/:]) ?(?=\w)")


def as_written(text: str) -> str:
    """A decoded text without the spaces around marks that stand within words."""
    return _JOINED.sub(r"\1", text)
