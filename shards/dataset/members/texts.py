"""Reading the text members of samples without their media.

Texts that came with their medium, in one read, go to `parse_texts` of shards/dataset/members/records.py directly.
"""

from __future__ import annotations

from collections.abc import Sequence

from shards.dataset.index.rows import MAX_TEXT_BYTES, MemberRow
from shards.dataset.members.choice import find_members
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import Texts, parse_texts
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.storage.source import Range, Source


def read_texts(
    shards: Source, shard: str, samples: Sequence[Sequence[MemberRow]], rules: MemberRules = UNWRITTEN
) -> list[Texts | TextError]:
    """The texts of samples of one shard, each given by its members; a sample without any has its TextError instead.

    All are asked for at once, which a remote store answers in the time of one request. Raises SourceError.
    """
    wanted = [_texts_of(members, rules) for members in samples]
    ranges: list[Range] = [
        (shard, member.offset, member.size) for texts in wanted if isinstance(texts, list) for member in texts if member
    ]
    data = iter(shards.read_many(ranges))
    found: list[Texts | TextError] = []
    for texts in wanted:
        if isinstance(texts, TextError):
            found.append(texts)
            continue
        pieces = [(member, next(data)) if member else None for member in texts]
        try:
            json, txt = (None if piece is None else _whole(*piece) for piece in pieces)
            found.append(parse_texts(json, txt, rules))
        except TextError as error:
            found.append(error)
    return found


def _texts_of(members: Sequence[MemberRow], rules: MemberRules) -> list[MemberRow | None] | TextError:
    """The json and the other text of a sample, if their byte ranges make sense."""
    numbers = find_members([member.ext for member in members], rules)[1:]
    texts = [None if number is None else members[number] for number in numbers]
    for ext, offset, size, _ in filter(None, texts):
        if not 0 <= size <= MAX_TEXT_BYTES or offset < 0:
            return TextError(f".{ext} has {size} bytes at {offset}, the limit is {MAX_TEXT_BYTES}")
    return texts


def _whole(member: MemberRow, data: bytes) -> bytes:
    ext, offset, size, _ = member
    if len(data) < size:
        raise TextError(
            f".{ext} should be bytes {offset} to {offset + size}, the shard ends after {offset + len(data)}"
        )
    return data
