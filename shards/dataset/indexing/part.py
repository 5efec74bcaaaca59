"""Part i of n of an index, `--shard i/n`: every n-th tar of the sorted list, for the jobs of an array.

Promises: parts need not know of each other; each has a folder of its own below the place of the whole index, and says
in its provenance which part it is and of which tars, so that `merge` joins all parts of one list or refuses by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from shards.base.errors import ConfigError, PatternError, UsageError, WrongPlace
from shards.base.frozen import Frozen
from shards.base.redact import shown
from shards.storage.addresses import below, is_remote, local_path

_PARTS = "parts"
"""Folder in the place of an index that holds those of its parts."""
_MAX_PARTS = 1_000_000
_FOLDER = re.compile(r"([0-9]{1,6})-of-([0-9]{1,6})")
_NUM_NAMED = 20
"""Missing parts that a message names."""


class Part(NamedTuple):
    """One of several parts of a list of tars."""

    number: int
    """1 to `of`."""
    of: int

    def place(self, out: str) -> str:
        """The folder or URL of its index below the place of the whole one."""
        return below(below(out, _PARTS), f"{self.number}-of-{self.of}")

    def take(self, names: Sequence[str], pattern: str) -> list[str]:
        """The tars of this part. Raises PatternError where some part would have none."""
        if self.of > len(names):
            raise PatternError(
                f"{pattern}: names {len(names)} tars, too few for {self.of} parts; say --shard i/{len(names)}, or a "
                "smaller number of parts, in every job"
            )
        return list(names[self.number - 1 :: self.of])

    def provenance(self, names: Sequence[str]) -> dict[str, Any]:
        """What dataset.json says of a part. names: of the tars of all parts."""
        import xxhash

        digest = xxhash.xxh3_128_hexdigest("\0".join(names).encode(errors="surrogateescape"))
        said = _Said(number=self.number, of=self.of, num_tars=len(names), tars=digest)
        return {"part": said.model_dump()}


class _Said(Frozen):
    """What dataset.json says of a part."""

    number: int = Field(ge=1)
    of: int = Field(ge=1, le=_MAX_PARTS)
    num_tars: int = Field(ge=1)
    tars: str
    """XXH3_128 of the names of the tars of all parts."""

    def __str__(self) -> str:
        return f"part {self.number} of {self.of}"


def read_part(text: str | None) -> Part | None:
    """The part that "i/n" names; None for None. Raises UsageError."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", text)
    part = Part(int(found[1]), int(found[2])) if found else Part(0, 0)
    if not 1 <= part.number <= part.of <= _MAX_PARTS:
        raise UsageError(f"--shard {text[:40]!r}: is no part; say i/n with i from 1 to n, as in 1/16 to 16/16")
    return part


def find_parts(out: str) -> list[str]:
    """The places of all parts below the place of a whole index, in their order. Raises WrongPlace if there are none."""
    place = below(out, _PARTS)
    try:
        if is_remote(out):
            from shards.storage.stores.filesystem import open_filesystem

            files, prefix = open_filesystem(place)
            names = [str(path).rstrip("/").rpartition("/")[2] for path in files.ls(prefix, detail=False)]
        else:
            names = os.listdir(local_path(place))
    except FileNotFoundError:
        names = []
    found = sorted((int(part[2]), int(part[1])) for name in names if (part := _FOLDER.fullmatch(name)))
    if not found:
        raise WrongPlace(
            f"{shown(out)}: has no parts; name the indexes to join, or make parts: python -m shards index ... --shard "
            "1/N"
        )
    return [Part(number, of).place(out) for of, number in found]


def part_of(provenance: Mapping[str, Any]) -> Part | None:
    """The part that an index is by its provenance; None if it is none, or if that cannot be read."""
    try:
        said = _said_by("", provenance)
    except WrongPlace:
        return None
    return None if said is None else Part(said.number, said.of)


def check_parts(places: Sequence[str], provenances: Sequence[Mapping[str, Any]]) -> None:
    """Refuse parts that are not together all parts of one list of tars. Raises WrongPlace.

    Indexes that are no parts i/n are joined as they come: nothing says how many there should be.
    """
    found = [_said_by(place, provenance) for place, provenance in zip(places, provenances, strict=True)]
    first = next(((place, said) for place, said in zip(places, found, strict=True) if said), None)
    if first is None:
        return
    parts: dict[int, str] = {}
    for place, said in zip(places, found, strict=True):
        _check_fits(place, said, *first)
        assert said is not None
        if said.number in parts:
            raise WrongPlace(f"{place}: is {said}, and so is {parts[said.number]}; give each part once")
        parts[said.number] = place
    of = first[1].of
    missing = [f"{number}/{of}" for number in range(1, of + 1) if number not in parts]
    if missing:
        more = f" and {len(missing) - _NUM_NAMED} more" if len(missing) > _NUM_NAMED else ""
        raise WrongPlace(
            f"{first[0]}: is {first[1]}, and of these {len(missing)} are missing: {', '.join(missing[:_NUM_NAMED])}"
            f"{more}; give them too, or make them: python -m shards index ... --shard {missing[0]}"
        )


def _said_by(place: str, provenance: Mapping[str, Any]) -> _Said | None:
    if "part" not in provenance:
        return None
    try:
        return _Said.model_validate(provenance["part"])
    except ConfigError as error:
        raise WrongPlace(
            f"{place}: what dataset.json says under provenance.part is no part; index the part again"
        ) from error


def _check_fits(place: str, said: _Said | None, other: str, first: _Said) -> None:
    if said is None:
        raise WrongPlace(
            f"{place}: was not made with --shard i/n, and {other} is {first}; merge the parts of one --shard i/n, and "
            "nothing else"
        )
    if said.of != first.of:
        raise WrongPlace(f"{place}: is {said}, but {other} is {first}; merge the parts of one number n")
    if said.tars != first.tars:
        raise WrongPlace(
            f"{place}: is {said} of {said.num_tars} tars, and {other} is {first} of {first.num_tars} others; tars came "
            "or went between the jobs, or the patterns differ: index the parts again, only new tars are read"
        )
