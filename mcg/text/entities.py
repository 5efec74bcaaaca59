"""The list of entities, as ALPRO publishes it: one line each, of which the first field is the noun."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from shards.base import PrintableError

_MAKE = "make a list with python -m tools entities, or name one"
_LONGEST = 1 << 16
"""Characters of a line; a longer one holds no entity."""


class EntityError(PrintableError, ValueError):
    """An entity file that cannot be used; names the key, the file, the line and the remedy."""


def read_entities(path: str | Path, num_entities: int) -> list[str]:
    """The first `num_entities` nouns of a file; no more of it is read. Raises EntityError for a file that is missing or
    has fewer, for a line among them that does not begin with a noun, and for a noun that stands twice."""
    file = f"objectives.entity_prompting.entities: {path}"
    places: dict[str, int] = {}
    try:
        for number, line in enumerate(_lines(path), start=1):
            noun = _noun(line, f"{file} line {number}")
            if noun in places:
                raise EntityError(
                    f"{file} line {number}: {noun!r} stands in line {places[noun]} already; remove one of them"
                )
            places[noun] = number
            if len(places) == num_entities:
                return list(places)
    except FileNotFoundError:
        raise EntityError(f"{file}: no such file; {_MAKE}") from None
    except UnicodeDecodeError as error:
        raise EntityError(f"{file}: not UTF-8 text ({error}); convert it, or {_MAKE}") from None
    except OSError as error:
        raise EntityError(f"{file}: cannot be read: {error.strerror}; {_MAKE}") from None
    raise EntityError(
        f"{file}: has {len(places)} entities, {num_entities} are asked for; set num_entities to at most that (and "
        "model.num_entities), or make a longer list with python -m tools entities"
    )


def _lines(path: str | Path) -> Iterator[str]:
    """The lines of a file up to the last that is not blank."""
    with open(path, encoding="utf-8-sig") as file:
        blank = 0
        while line := file.readline(_LONGEST):
            if not line.strip():
                blank += 1
                continue
            yield from repeat("", blank)
            blank = 0
            yield line


def _noun(line: str, place: str) -> str:
    """The first field of a line."""
    if len(line) == _LONGEST:
        raise EntityError(f"{place}: has {_LONGEST:,} characters or more, which is no noun; {_MAKE}")
    if not line.strip():
        raise EntityError(f"{place}: is empty; remove the line")
    if line[0].isspace():
        raise EntityError(f"{place}: begins with a space, so its first field is empty; write a noun there")
    noun = line.split()[0]
    if "," in noun or not noun.isprintable():
        raise EntityError(f"{place}: begins with {noun[:60]!r}, which is no noun; write the noun, a space, its count")
    return noun
