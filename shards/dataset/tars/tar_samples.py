"""The samples of one tar, as an index lists them: what groups together, what can be used, and why the rest cannot.

Promises: a sample is what WebDataset makes of consecutive members with one key (by default the path up to the first dot
of the basename; what follows, in lower case, is the extension; `MemberRules` has other ways). Every group of the tar
becomes a row or a line of the quarantine with a reason; a member without a key is a group of its own, and so are bytes
that belong to no member. Nothing of a member is kept longer than it is looked at, so memory is one medium. With
checksums every byte of the tar is read once, in order; from a store (`stream_samples`) headers and all.
Quarantined are: members without a key, names that are no UTF-8, keys that come back after others (the first is kept),
an extension twice in one sample, links and whatever else has no bytes that can be read, no medium or no text, members
over the size limits, text that gives no record, a last sample whose end was never written, and with `media` a medium
that cannot be decoded.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

from shards.base.errors import MediaError, PrintableError
from shards.dataset.index.rows import MAX_KEY_BYTES, MAX_MEDIA_BYTES, MAX_TEXT_BYTES, MemberRow, SampleRow
from shards.dataset.members.choice import Chosen, MemberError, choose, find_members, notes_on
from shards.dataset.members.records import TextError, parse_texts
from shards.dataset.members.remarks import other_texts
from shards.dataset.members.rules import MemberRules, suffix
from shards.dataset.tars import apart
from shards.dataset.tars.reasons import with_remedy
from shards.dataset.tars.tar import Entry, Member, Stray, TarError, walk
from shards.media.facts import KeyFrames, MediaFacts
from shards.media.kinds import MEDIA_EXTENSIONS, kind_of
from shards.media.probe import probe_table
from shards.media.videos.video_facts import STILL_BESIDE_FILM, is_still_beside_film

WALK = 2
"""Raised when a tar gives other rows or lines than before: an index of another number is not brought up to date, every
tar is looked at again."""
MAX_MEMBERS = 256
"""Most members of a sample that is indexed."""
_PIECE = 1 << 22
"""Bytes that are read at once where nothing has to be kept."""
_TAIL = 512
"""Bytes at the end of a medium that all have to be zero until it is taken for one that was not written."""
_ZEROS_IN_TEXT = 4
"""The same of a text: more than a character of any encoding ends with."""
_AHEAD = 2
"""Requests to a store that are on their way while a piece is looked at."""


ReadRange = Callable[[int, int], bytes]
"""(offset, length) -> bytes of one file, fewer only where it ends."""


class Looks(NamedTuple):
    """What an index is to know beyond names and places of members."""

    checksums: bool = True
    """False: only headers are read."""
    media: bool = False
    """Media facts and GOP tables."""
    rules: MemberRules = MemberRules()
    """Which members are read."""


class ShardSamples(NamedTuple):
    """What one tar holds; num_groups == len(rows) + len(quarantined), always."""

    rows: list[SampleRow]
    quarantined: list[dict[str, Any]]
    """{"key": text or None, "member": name of the first (None: bytes without a name), "members": all names where they
    are several, "reason": why}."""
    checksum: str
    """XXH3_128 of the tar, 32 hexadecimal digits; empty without checksums."""
    notes: Counter[str]
    """What is to be said about how many of the samples that are used."""

    @property
    def num_groups(self) -> int:
        return len(self.rows) + len(self.quarantined)


class _Group(NamedTuple):
    key: str | None
    """None: this member belongs to no sample."""
    extensions: list[str]
    members: list[Entry]


def read_samples(members: Iterable[Entry], path: str, looks: Looks) -> ShardSamples:
    """Look at the samples of a local tar whose headers were scanned. Raises TarError when it is shorter than they say.

    members: from `tar.scan_all`. path: only opened when looks.checksums is set.
    """
    with _Bytes(path) if looks.checksums else _NoBytes() as data:
        return _look(members, data, looks)


def stream_samples(
    read: ReadRange, num_bytes: int, where: str, looks: Looks, piece_bytes: int = 1 << 23
) -> ShardSamples:
    """The same, with checksums, for a tar that is far away: read once, from begin to end, with what follows already on
    its way; nothing is put on disk. where: for errors. piece_bytes: of one request. Raises TarError."""
    with _Stream(read, num_bytes, where, looks, piece_bytes) as data:
        return _look(data.members(), data, looks)


def _look(members: Iterable[Entry], data: _Bytes | _NoBytes | _Stream, looks: Looks) -> ShardSamples:
    found = ShardSamples([], [], "", Counter())
    keys: set[str] = set()
    num_groups = 0
    partial: list[apart.Group] = []
    last: _Group | None = None
    """The sample that the last row is made of, if nothing but bytes without a name came behind it."""
    for group in _groups(members, looks.rules):
        num_groups += 1
        try:
            row = _row(group, keys, data, looks, found.notes)
        except (_Unusable, MemberError, TextError, MediaError) as error:
            line = _line(group, str(error))
            found.quarantined.append(line)
            last = last if group.key is None and not group.members[0].name else None
            if group.key is not None and isinstance(error, _CameBack | MemberError):
                partial.append(apart.Group(num_groups, group.key, group.extensions, line))
        else:
            found.rows.append(row)
            last = group
    if last is not None and (why := _why_unwritten(last, data.tail, looks.rules)):
        found.rows.pop()
        found.quarantined.append(_line(last, why))
    if partial:
        apart.explain(partial, {row.key for row in found.rows}, looks.rules)
    assert found.num_groups == num_groups
    return found._replace(checksum=data.finish())


def _line(group: _Group, reason: str) -> dict[str, Any]:
    names = [member.name for member in group.members]
    line = {"key": group.key, "member": names[0] or None, "reason": with_remedy(reason)}
    return line if len(names) == 1 else {**line, "members": names}


def _why_unwritten(group: _Group, tail: bytes, rules: MemberRules) -> str:
    """Whether the last sample of a tar ends in zeros that nobody writes there, as behind them is nothing but zeros.

    tail: what the last member ends with, at most _TAIL bytes.
    """
    ext, member = group.extensions[-1], group.members[-1]
    is_text = ext in rules.text_members
    if not is_text and suffix(ext) not in MEDIA_EXTENSIONS:
        return ""
    if not tail.endswith(bytes(min(member.size, _ZEROS_IN_TEXT if is_text else _TAIL) or 1)):
        return ""
    return (
        f"{member.name!r} ends in zeros, and so does the tar behind it: not written to its end (a download that was "
        "stopped?); compare the tar with its origin"
    )


def _groups(members: Iterable[Entry], rules: MemberRules) -> Iterator[_Group]:
    group: _Group | None = None
    for member in members:
        parts = rules.split(member.name)
        if parts is None:
            yield _Group(None, [], [member])
            continue
        key, ext = parts
        if group is None or group.key != key:
            if group is not None:
                yield group
            group = _Group(key, [], [])
        group.extensions.append(ext)
        group.members.append(member)
    if group is not None:
        yield group


class _Unusable(PrintableError, ValueError):
    """A group that gives no row; caught in this module."""


class _CameBack(_Unusable):
    """A group whose key came before, with other keys between."""


def _row(
    group: _Group, keys: set[str], data: _Bytes | _NoBytes | _Stream, looks: Looks, notes: Counter[str]
) -> SampleRow:
    chosen = _check(group, keys, looks.rules)
    members = [member for member in group.members if isinstance(member, Member)]  # all of them
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
        # A txt holds one caption; a json may hold a list of records beside it, which only reading it can say.
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


def _check(group: _Group, keys: set[str], rules: MemberRules) -> Chosen:
    """What the names and sizes say; the key counts as taken if it is a key at all."""
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


def _tail(before: bytes, piece: bytes | memoryview) -> bytes:
    return bytes(piece[-_TAIL:]) if len(piece) >= _TAIL else (before + bytes(piece))[-_TAIL:]


class _Bytes:
    """A tar that is read once from begin to end, member by member, hashing all of it on the way."""

    def __init__(self, path: str) -> None:
        import xxhash

        self._path = path
        self._whole = xxhash.xxh3_128()
        self._member = xxhash.xxh3_64
        self._position = 0
        self._fd = -1
        self.tail = b""
        """The end of the member that was read last."""

    def read(self, member: Member, keep: bool) -> tuple[int | None, bytes]:
        """(checksum, bytes if they are to be kept) of the next member."""
        self._advance(member.offset, None)
        digest, self.tail = self._member(), b""
        piece = self._advance(member.offset + member.size, digest, keep)
        return digest.intdigest() & 0xFFFFFFFF, piece

    def finish(self) -> str:
        """The checksum of the whole file."""
        self._advance(os.fstat(self._fd).st_size, None)
        return str(self._whole.hexdigest())

    def _advance(self, stop: int, digest: Any, keep: bool = False) -> bytes:
        kept = []
        while self._position < stop:
            piece = os.pread(self._fd, min(_PIECE, stop - self._position), self._position)
            if not piece:
                raise TarError(f"{self._path}: byte {self._position}: the file got shorter while it was read")
            self._position += len(piece)
            self._whole.update(piece)
            if digest is not None:
                digest.update(piece)
                self.tail = _tail(self.tail, piece)
            if keep:
                kept.append(piece)
        return kept[0] if len(kept) == 1 else b"".join(kept)

    def __enter__(self) -> _Bytes:
        self._fd = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


class _Stream:
    """A tar whose headers are found while its bytes pass by, once; of a sample, texts and medium are kept meanwhile.

    A member is given out before its bytes are taken, so a sample has passed when the first member of the next is given
    out, whose bytes are still to come.
    """

    def __init__(self, read: ReadRange, num_bytes: int, where: str, looks: Looks, piece_bytes: int) -> None:
        import xxhash

        self._read, self._num_bytes, self._where, self._looks = read, num_bytes, where, looks
        self._piece_bytes = piece_bytes
        self._whole = xxhash.xxh3_128()
        self._member = xxhash.xxh3_64
        self._position = 0
        self._piece = memoryview(b"")
        self._pool = ThreadPoolExecutor(_AHEAD)
        self._starts = iter(range(0, num_bytes, piece_bytes))
        self._coming: deque[Future[bytes]] = deque()
        self._key: str | None = None
        self._kept: list[tuple[str, int]] = []
        """Extension and offset of what is the medium, the json and the other text so far."""
        self._seen: dict[int, tuple[int, bytes]] = {}
        self.tail = b""
        """The end of the member that passed last."""

    def members(self) -> Iterator[Entry]:
        for member in walk(self._read_at, self._num_bytes, self._where):
            yield member
            if isinstance(member, Member):
                self._pass(member)

    def read(self, member: Member, keep: bool) -> tuple[int | None, bytes]:
        """(checksum, bytes if they are to be kept) of a member of the sample that has passed."""
        return self._seen[member.offset]

    def finish(self) -> str:
        """The checksum of the whole file."""
        for _ in self._take(self._num_bytes):
            pass
        return str(self._whole.hexdigest())

    def _pass(self, member: Member) -> None:
        parts = self._looks.rules.split(member.name)
        if parts is None:
            return
        key, ext = parts
        if key != self._key:
            self._key, self._kept, self._seen = key, [], {}
        keep = self._is_kept(member, ext)
        digest, self.tail = self._member(), b""
        kept = []
        for piece in self._take(member.offset + member.size):
            digest.update(piece)
            self.tail = _tail(self.tail, piece)
            if keep:
                kept.append(piece)
        self._seen[member.offset] = digest.intdigest() & 0xFFFFFFFF, b"".join(kept)

    def _is_kept(self, member: Member, ext: str) -> bool:
        """True if `choose` may take this member, as far as the sample has been seen; what it took before is let go."""
        candidates = [*self._kept, (ext, member.offset)]
        found = find_members([name for name, _ in candidates], self._looks.rules)
        self._kept = [candidates[number] for number in found if number is not None]
        for candidate in candidates:
            if candidate not in self._kept and candidate[1] in self._seen:
                self._seen[candidate[1]] = self._seen[candidate[1]][0], b""
        if candidates[-1] not in self._kept:
            return False
        is_medium = found.media == len(candidates) - 1
        return member.size <= (MAX_MEDIA_BYTES if is_medium else MAX_TEXT_BYTES) and (
            not is_medium or self._looks.media
        )

    def _read_at(self, length: int, offset: int) -> bytes:
        assert offset >= self._position, self._where
        for _ in self._take(offset):
            pass
        return b"".join(self._take(offset + length))

    def _take(self, stop: int) -> Iterator[memoryview]:
        """The bytes up to stop or the end of the file, hashed."""
        stop = min(stop, self._num_bytes)
        while self._position < stop:
            if not self._piece:
                self._piece = self._next_piece()
            part = self._piece[: stop - self._position]
            self._piece = self._piece[len(part) :]
            self._position += len(part)
            self._whole.update(part)
            yield part

    def _next_piece(self) -> memoryview:
        for start in islice(self._starts, 1 + _AHEAD - len(self._coming)):
            self._coming.append(self._pool.submit(self._read, start, min(self._piece_bytes, self._num_bytes - start)))
        piece = self._coming.popleft().result()
        if len(piece) < min(self._piece_bytes, self._num_bytes - self._position):
            raise TarError(f"{self._where}: byte {self._position}: the file got shorter while it was read")
        return memoryview(piece)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


class _NoBytes:
    """In its place where only headers are looked at."""

    tail = b""

    def read(self, member: Member, keep: bool) -> tuple[int | None, bytes]:
        return None, b""

    def finish(self) -> str:
        return ""

    def __enter__(self) -> _NoBytes:
        return self

    def __exit__(self, *_: object) -> None:
        pass
