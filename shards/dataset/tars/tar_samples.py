"""The samples of one tar: which members belong together, the row of each sample, and why the others give no row.

Promises: a sample is what WebDataset makes of consecutive members with one key (by default the path up to the first dot
of the basename; what follows, in lower case, is the extension; `MemberRules` has other ways). Every group of the tar
becomes a row or a line of the quarantine with a reason; a member without a key is a group of its own, and so are bytes
that belong to no member. Memory is one medium. With checksums every byte of the tar is read once, in order; from a
store (`stream_samples`) the headers are found in the same pass.
Quarantined are: members without a key, names that are no UTF-8, keys that come back after others (the first is kept),
an extension twice in one sample, links and whatever else has no bytes that can be read, no medium or no text, members
over the size limits, text that gives no record, a last sample whose end was never written, and with `media` a medium
that cannot be decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from shards.dataset.index.rows import SampleRow
from shards.dataset.members.rules import MemberRules, suffix
from shards.dataset.tars import apart
from shards.dataset.tars.entries import Entry
from shards.dataset.tars.local_bytes import TAIL, LocalBytes, NoBytes
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.reasons import with_remedy
from shards.dataset.tars.sample_row import MemberGroup, Refused, sample_row
from shards.dataset.tars.tar_stream import ReadRange, TarStream
from shards.media.kinds import MEDIA_EXTENSIONS

WALK = 2
"""To be raised whenever a tar would give other rows or lines than before: an index of another number is not brought up
to date, every tar is read again."""
PIECE_BYTES = 1 << 23
"""Bytes of one request for a tar of a store."""
_ZEROS_IN_TEXT = 4
"""Zeros at the end of a text from which it is taken for one that was not written; no character of any encoding ends
with so many."""


class ShardSamples(NamedTuple):
    """The samples of one tar; num_groups == len(rows) + len(quarantined), always."""

    rows: list[SampleRow]
    quarantined: list[dict[str, Any]]
    """{"key": text or None, "member": name of the first (None: bytes without a name), "members": all names where they
    are several, "reason": why}."""
    checksum: str
    """XXH3_128 of the tar, 32 hexadecimal digits; empty without checksums."""
    notes: Counter[str]
    """Remark -> number of samples with a row that it holds for."""

    @property
    def num_groups(self) -> int:
        return len(self.rows) + len(self.quarantined)


def read_samples(members: Iterable[Entry], path: str, looks: Looks) -> ShardSamples:
    """The samples of a local tar whose headers were scanned. Raises TarError if the tar got shorter since.

    members: from `tar.scan_all`. path: only opened when looks.checksums is set.
    """
    with LocalBytes(path) if looks.checksums else NoBytes() as data:
        return _look(members, data, looks)


def stream_samples(
    read: ReadRange, num_bytes: int, where: str, looks: Looks, piece_bytes: int = PIECE_BYTES
) -> ShardSamples:
    """The samples of a tar of a store, with checksums. The tar is read once from begin to end, with the next requests
    under way, and not stored. where: names it in errors. piece_bytes: of one request. Raises TarError."""
    with TarStream(read, num_bytes, where, looks, piece_bytes) as data:
        return _look(data.members(), data, looks)


def _look(members: Iterable[Entry], data: LocalBytes | NoBytes | TarStream, looks: Looks) -> ShardSamples:
    found = ShardSamples([], [], "", Counter())
    keys: set[str] = set()
    num_groups = 0
    incomplete: list[apart.FailedGroup] = []
    last: MemberGroup | None = None
    """The sample of the last row, if only bytes without a name follow it in the tar."""
    for group in _groups(members, looks.rules):
        num_groups += 1
        row = sample_row(group, keys, data, looks, found.notes)
        if isinstance(row, Refused):
            line = _line(group, row.reason)
            found.quarantined.append(line)
            last = last if group.key is None and not group.members[0].name else None
            if group.key is not None and row.is_incomplete:
                incomplete.append(apart.FailedGroup(num_groups, group.key, group.extensions, line))
        else:
            found.rows.append(row)
            last = group
    if last is not None and (why := _why_unwritten(last, data.tail, looks.rules)):
        found.rows.pop()
        found.quarantined.append(_line(last, why))
    if incomplete:
        apart.explain(incomplete, {row.key for row in found.rows}, looks.rules)
    assert found.num_groups == num_groups
    return found._replace(checksum=data.finish())


def _line(group: MemberGroup, reason: str) -> dict[str, Any]:
    names = [member.name for member in group.members]
    line = {"key": group.key, "member": names[0] or None, "reason": with_remedy(reason)}
    return line if len(names) == 1 else {**line, "members": names}


def _why_unwritten(group: MemberGroup, tail: bytes, rules: MemberRules) -> str:
    """The reason to refuse the last sample of a tar if its last member ends in zeros as a stopped download leaves them,
    else "". tail: the last bytes of the member, at most TAIL.
    """
    ext, member = group.extensions[-1], group.members[-1]
    is_text = ext in rules.text_members
    if not is_text and suffix(ext) not in MEDIA_EXTENSIONS:
        return ""
    if not tail.endswith(bytes(min(member.size, _ZEROS_IN_TEXT if is_text else TAIL) or 1)):
        return ""
    return (
        f"{member.name!r} ends in zeros, and so does the tar behind it: not written to its end (a download that was "
        "stopped?); compare the tar with its origin"
    )


def _groups(members: Iterable[Entry], rules: MemberRules) -> Iterator[MemberGroup]:
    group: MemberGroup | None = None
    for member in members:
        parts = rules.split(member.name)
        if parts is None:
            yield MemberGroup(None, [], [member])
            continue
        key, ext = parts
        if group is None or group.key != key:
            if group is not None:
                yield group
            group = MemberGroup(key, [], [])
        group.extensions.append(ext)
        group.members.append(member)
    if group is not None:
        yield group
