"""Splits by fraction: `train=0.98,val=0.02`, each of which takes a share of all keys."""

from __future__ import annotations

import math
import re

from shards.base import UsageError
from tools.reshard.order import Share

_EPSILON = 1e-9


def read_splits(text: str | None) -> dict[str, Share]:
    """The splits that an option names, in its order; none for None. Fractions that sum to less than 1 leave the rest of
    the keys out. Raises UsageError."""
    splits: dict[str, Share] = {}
    low = 0.0
    for part in [] if text is None else text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            fraction = float(number)
        except ValueError:
            fraction = math.nan
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) or not 0 < fraction <= 1:
            raise UsageError(f"--split {part[:80]!r}: is no split; say NAME=FRACTION, as in train=0.98,val=0.02")
        if name in splits:
            raise UsageError(f"--split {text!r}: names {name} twice")
        high = low + fraction
        if high > 1 + _EPSILON:
            raise UsageError(f"--split {text!r}: the fractions sum to more than 1")
        splits[name] = Share(low, 1.0 if high > 1 - _EPSILON else high)
        low = high
    return splits
