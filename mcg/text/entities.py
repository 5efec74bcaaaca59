"""The list of entities, as ALPRO publishes it: one line each, of which the first field is the noun."""

from __future__ import annotations

from pathlib import Path

from shards.base import PrintableError


class EntityError(PrintableError, ValueError):
    """An entity file that cannot be used; names file, line and remedy."""


def read_entities(path: str | Path, num_entities: int) -> list[str]:
    """The first `num_entities` nouns of a file. Raises EntityError for a file that is missing or has fewer, for an
    empty line among them, and for a noun that stands twice."""
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise EntityError(f"{file}: no such file; name a list of nouns, one in each line") from None
    except UnicodeDecodeError as error:
        raise EntityError(f"{file}: not UTF-8 text ({error}); convert it") from None
    except OSError as error:
        raise EntityError(f"{file}: cannot be read: {error.strerror}") from None
    while lines and not lines[-1].strip():
        lines.pop()  # a line break at the end is no entity
    places: dict[str, int] = {}
    for number, line in enumerate(lines[:num_entities], start=1):
        fields = line.split()
        if not fields:
            raise EntityError(f"{file} line {number}: is empty; remove the line")
        if fields[0] in places:
            raise EntityError(
                f"{file} line {number}: {fields[0]!r} stands in line {places[fields[0]]} already; remove one of them"
            )
        places[fields[0]] = number
    if len(places) < num_entities:
        raise EntityError(
            f"{file}: has {len(places)} entities, {num_entities} are asked for; set num_entities to at most that, or "
            "make a longer list"
        )
    return list(places)
