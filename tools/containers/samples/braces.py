"""Names with braces, as "shard_{000..009}.tar" or "{a,b}.tar", one by one and within a bound.

Promises: how many names there are is known before one of them is made: braceexpand makes all at once.
"""

from __future__ import annotations

import re

_RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})(?:\.\.-?\d{1,18})?")
_LETTERS = 128
"""At least the length of a range of letters."""


def expanded(pattern: str, limit: int) -> list[str]:
    """The names that a pattern stands for. Raises ValueError for braces that do not close, or for too many names."""
    from braceexpand import braceexpand

    if _at_most(pattern) > limit:
        raise ValueError(f"stands for more than {limit:,} names")
    return list(braceexpand(pattern))


def _at_most(pattern: str) -> int:
    """A number of names that a pattern does not exceed: the product of the choices of all its braces."""
    total = 1
    for group in re.findall(r"\{([^{}]*)", pattern):
        ends = _RANGE.match(group)
        if ends:
            total *= abs(int(ends[2]) - int(ends[1])) + 1
        elif ".." in group:
            total *= _LETTERS
    # Commas of nested braces are counted where they stand; each brace has one choice more than commas.
    return total * _choices(pattern)


def _choices(pattern: str) -> int:
    total, open_commas = 1, [0]
    for character in pattern:
        if character == "{":
            open_commas.append(0)
        elif character == "," and len(open_commas) > 1:
            open_commas[-1] += 1
        elif character == "}" and len(open_commas) > 1:
            total *= open_commas.pop() + 1
    return total
