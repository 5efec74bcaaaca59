"""A sample as it is copied: the names and bytes of its members as they stand in their tar, and its row of the index.

Promises: bytes are compared with the checksums of the index, where it has them; names are read from the headers in
front of the members, so capitals, folders and names longer than a header stay. Media facts, GOP tables and numbers of
records are those of the index; what it does not have is found from the bytes, which are at hand. What cannot be copied
is a BadRow with shard, key and reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shards.base import MediaError, MissingFile, PrintableError, SampleRefused, printable
from shards.dataset import (
    BLOCK,
    MAX_KEY_BYTES,
    DatasetWriter,
    DuplicateKey,
    Member,
    MemberRules,
    NewMember,
    SampleRow,
    TarError,
    TextError,
    find_members,
    parse_texts,
    walk,
)
from shards.media import KeyFrames, probe_table
from tools.reshard.order import Place
from tools.reshard.source import Source
from tools.rows import BAD_MEDIA, DUPLICATE, MALFORMED, BadRow

_LEAD = 16 * BLOCK
"""Bytes in front of a sample that are read with it: the headers of its first member. A name that is too long for a
plain header has up to three blocks of its own, and times and owners as many."""
_DAMAGED = "damaged sample"
"""A further reason beside those of tools/rows.py: the tar does not hold what the index says."""


class Copied(NamedTuple):
    """A sample as it is to be written."""

    place: Place
    members: list[NewMember]
    row: SampleRow


class _Unusable(PrintableError):
    """A sample that cannot be copied; caught in this module. Arguments: the kind of reason, and the reason."""


def copied(sources: Sequence[Source], place: Place) -> Copied | BadRow:
    """Read one sample. Raises SourceError, DatasetError."""
    source = sources[place.source]
    try:
        names, data = _read(source, place)
        if not names:
            raise _Unusable(MALFORMED, "has no members")
        new = [
            NewMember(_renamed(name, place.prefix, source.index.rules), member.ext, piece)
            for name, member, piece in zip(names, place.row.members, data, strict=True)
        ]
        key = place.prefix + place.row.key
        if len("".join([key, *(member.ext for member in new)]).encode()) > MAX_KEY_BYTES:
            raise _Unusable(MALFORMED, f"key and extensions have more than {MAX_KEY_BYTES} bytes with the prefix")
        return Copied(place, new, _completed(place.row, data, source.index.rules)._replace(key=key))
    except _Unusable as error:
        kind, why = error.args
        return _bad(place, kind, f"{why}; correct the source and index it again, or accept the loss")


def write(writer: DatasetWriter, made: Copied) -> BadRow | None:
    """Write a sample as it stands."""
    try:
        writer.copy(made.members, made.row)
    except DuplicateKey as error:
        return _bad(made.place, DUPLICATE, str(error))
    except SampleRefused as error:
        return _bad(made.place, MALFORMED, str(error))
    return None


def _bad(place: Place, kind: str, why: str) -> BadRow:
    at = printable(f"{place.shard}:{place.row.key}")
    return BadRow(at, f"{kind}: {at}: {why}")


def _read(source: Source, place: Place) -> tuple[list[str], list[memoryview]]:
    """The names and bytes of the members of a sample, read in one piece."""
    members = place.row.members
    begin = max(0, min((member.offset for member in members), default=0) - _LEAD)
    end = max((member.offset + member.size for member in members), default=0)
    try:
        data = source.folder.read(place.shard, begin, end - begin)
    except MissingFile:
        raise
    except ValueError as error:
        raise _Unusable(_DAMAGED, f"the index says offsets that cannot be ({error})") from error
    names, pieces = [], []
    view = memoryview(data)  # media are large: none is copied
    for member in members:
        at = member.offset - begin
        piece = view[at : at + member.size]
        if len(piece) < member.size:
            raise _Unusable(_DAMAGED, f"the shard ends before .{member.ext}, it was cut off")
        if damage := member.damage(piece):
            raise _Unusable(_DAMAGED, damage)
        name = _name_before(data, at, member.size, (place.row.key, member.ext), source.index.rules)
        if name is None:
            raise _Unusable(_DAMAGED, f"no header of .{member.ext} stands where the index says")
        names.append(name)
        pieces.append(piece)
    return names, pieces


def _name_before(data: bytes, at: int, size: int, parts: tuple[str, str], rules: MemberRules) -> str | None:
    """The name in the headers that end at byte `at`, where a member of this size begins, and which has these parts (key
    and extension); None if there are none. Headers of one block come first, as most have no more."""
    for start in range(at - BLOCK, max(-1, at - _LEAD - 1), -BLOCK):

        def read_at(length: int, offset: int, start: int = start) -> bytes:
            return data[start + offset : start + offset + length]

        try:
            found = next(walk(read_at, at + size - start, ""), None)
        except TarError:
            continue
        is_there = isinstance(found, Member) and (start + found.offset, found.size) == (at, size)
        if found is not None and is_there and rules.split(found.name) == parts:
            return found.name
    return None


def _renamed(name: str, prefix: str, rules: MemberRules) -> str:
    """The name of a member whose key gets a prefix."""
    if rules.key_from == "path":
        return prefix + name
    folder, slash, base = name.rpartition("/")
    return folder + slash + prefix + base


def _completed(row: SampleRow, data: Sequence[memoryview], rules: MemberRules) -> SampleRow:
    """The row of a sample, with what its index does not know. data: the bytes of its members."""
    if row.num_records >= 0 and row.key_frames is not None and row.facts.num_frames:
        return row
    chosen = find_members([member.ext for member in row.members], rules)
    media, json, txt = (None if number is None else bytes(data[number]) for number in chosen)
    if row.num_records < 0:
        try:
            row = row._replace(num_records=len(parse_texts(json, txt, rules).records))
        except TextError as error:
            raise _Unusable(MALFORMED, str(error)) from error
        if not row.num_records:
            raise _Unusable(MALFORMED, "has no text record")
    if row.key_frames is None and row.facts.num_frames and row.facts.kind == "image":
        return row._replace(key_frames=KeyFrames([], [], []))
    if row.key_frames is None or not row.facts.num_frames:
        if media is None or chosen[0] is None:
            raise _Unusable(BAD_MEDIA, "has no medium by the rules of its dataset")
        ext = row.members[chosen[0]].ext
        try:
            facts, found = probe_table(media, f"{row.key}.{ext}")
        except MediaError as error:
            raise _Unusable(BAD_MEDIA, f".{ext}: {error.advice}") from error
        row = row._replace(facts=facts, key_frames=KeyFrames.of(found))
    return row
