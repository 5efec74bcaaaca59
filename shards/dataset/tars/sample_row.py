"""The row of the index that one group of members gives, or the reason why it gives none."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from shards.base.errors import MediaError, PrintableError
from shards.dataset.index.rows import MAX_KEY_BYTES, MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MemberRow, SampleRow
from shards.dataset.members.choice import Chosen, MemberError, choose, notes_on, other_texts
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import parse_texts
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.entries import Entry, Member, Stray
from shards.dataset.tars.local_bytes import LocalBytes, NoBytes
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar_stream import TarStream
from shards.media.facts import KeyFrames, MediaFacts
from shards.media.kinds import kind_of
from shards.media.probe import probe_table
from shards.media.videos.video_facts import STILL_BESIDE_FILM, is_still_beside_film

MAX_MEMBERS = 256
"""A sample with more members is quarantined."""


class MemberGroup(NamedTuple):
    """Consecutive entries of a tar with one key, or one entry without a key."""

    key: str | None
    """None: this entry belongs to no sample."""
    extensions: list[str]
    members: list[Entry]


class Refused(NamedTuple):
    """A group that gives no row."""

    reason: str
    is_incomplete: bool
    """Its other members may lie elsewhere in the tar."""


class _Unusable(PrintableError, ValueError):
    """A group that gives no row; caught in this module."""


class _CameBack(_Unusable):
    """A group whose key came before, with other keys between."""


def sample_row(
    group: MemberGroup, keys: set[str], data: LocalBytes | NoBytes | TarStream, looks: Looks, notes: Counter[str]
) -> SampleRow | Refused:
    """The row of a group, or why it gives none.

    keys: of the groups before; that of this one is added. data: gives the bytes of its members. notes: counts of
    remarks on samples, to which those on this one are added.
    """
    try:
        return _row(group, keys, data, looks, notes)
    except (_Unusable, MemberError, TextError, MediaError) as error:
        return Refused(str(error), isinstance(error, _CameBack | MemberError))


def _row(
    group: MemberGroup, keys: set[str], data: LocalBytes | NoBytes | TarStream, looks: Looks, notes: Counter[str]
) -> SampleRow:
    chosen = _check(group, keys, looks.rules)
    members = [member for member in group.members if isinstance(member, Member)]  # all: `_check` refuses strays
    wanted = {number for number in chosen if number is not None}
    checksums: list[int | None] = []
    pieces: dict[int, bytes] = {}
    for number, member in enumerate(members):
        keep = number in wanted and (looks.media or number != chosen.media)
        checksum, piece = data.read(member, keep)
        checksums.append(checksum)
        if keep:
            pieces[number] = piece
    ext = group.extensions[chosen.media]
    facts, key_frames = MediaFacts(kind_of(ext).name, "", 0, 0, 0), None
    if looks.checksums:
        json, txt = (None if number is None else pieces[number] for number in chosen[1:])
        try:
            texts = parse_texts(json, txt, looks.rules)
        except TextError as error:
            raise TextError(f"{error}{other_texts(group.extensions, looks.rules)}") from error
        num_records = len(texts.records)
        if not num_records:
            raise _Unusable("json has an empty list of records; write one, or accept the loss")
        for note in texts.notes:
            notes[note] += 1
    else:
        # A txt holds one caption; a json may hold a list of records, which only reading it tells (-1: not known).
        num_records = 1 if chosen.json is None else -1
    if looks.media:
        facts, table = probe_table(pieces[chosen.media], f"{group.key}.{ext}")
        key_frames = KeyFrames.of(table)
        if is_still_beside_film(pieces[chosen.media], facts):
            notes[STILL_BESIDE_FILM] += 1
    for note in notes_on(group.extensions, chosen, looks.rules):
        notes[note] += 1
    rows = zip(group.extensions, members, checksums, strict=True)
    listed = tuple(MemberRow(ext, member.offset, member.size, checksum) for ext, member, checksum in rows)
    assert group.key is not None
    return SampleRow(group.key, listed, num_records, facts, key_frames)


def _check(group: MemberGroup, keys: set[str], rules: MemberRules) -> Chosen:
    """The members that are read, by names and sizes alone. Adds the key to `keys`, even if the group is refused."""
    stray = next((member for member in group.members if isinstance(member, Stray)), None)
    if group.key is None:
        if stray is not None:
            raise _Unusable(f"{stray.name!r} {stray.reason}" if stray.name else stray.reason)
        raise _Unusable("the name has no key: it should be KEY.EXTENSION; rename it, if it belongs to a sample")
    try:
        num_bytes = len("".join([group.key, *group.extensions]).encode())
    except UnicodeEncodeError as error:
        raise _Unusable("the name is not UTF-8; rename it") from error
    if num_bytes > MAX_KEY_BYTES:
        raise _Unusable(f"key and extensions have {num_bytes} bytes, the limit is {MAX_KEY_BYTES}; rename it")
    if group.key in keys:
        raise _CameBack("the key comes a second time in this tar, after other keys")
    keys.add(group.key)
    if stray is not None:
        raise _Unusable(f"{stray.name!r} {stray.reason}")
    if len(group.members) > MAX_MEMBERS:
        raise _Unusable(
            f"has {len(group.members)} members, the limit is {MAX_MEMBERS}; if keys end too early: --key-until last_dot"
        )
    twice = [ext for i, ext in enumerate(group.extensions) if ext in group.extensions[:i]]
    if twice:
        raise _Unusable(f"has .{twice[0]} twice; rename one of them")
    chosen = choose(group.extensions, rules)
    for number in chosen:
        if number is None:
            continue
        ext, size = group.extensions[number], group.members[number].size
        limit = MAX_MEDIA_BYTES if number == chosen.media else MAX_TEXT_BYTES
        if size > limit or (not size and number == chosen.media):
            raise _Unusable(f".{ext} has {size} bytes, allowed are {int(number == chosen.media)} to {limit}")
    return chosen
