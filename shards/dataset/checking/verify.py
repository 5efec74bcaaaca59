"""Check one shard against its rows of the index: size, checksums, tar headers, records, and on request decoding.

Promises: every byte of a shard is read once, in chunks; what is held is one chunk, the tar headers (up to a limit) and
the members that are looked into, one at a time. Whatever is wrong becomes a `Problem` that says where, what was
expected and what was found; nothing in the data stops the check. `bad` names every sample that a reader could not use
as the shard is now: one whose bytes are wrong, and all samples of a shard that is missing or of the wrong size,
because a reader refuses such a shard whole. Damage outside of the samples' bytes (headers, padding) is a problem, but
spoils a sample only where there is no checksum that proves its bytes.
"""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from shards.base.errors import MediaError, MissingFile, SourceError
from shards.dataset.checking.header_differences import AnyLine, QuarantineLines, differences, shown
from shards.dataset.checking.open_member import OpenMember
from shards.dataset.checking.problems import Problem, ShardReport
from shards.dataset.checking.shard_views import KeptHeaders, ReadAhead
from shards.dataset.checking.verify_members import ShardMembers
from shards.dataset.index.rows import MAX_MEDIA_BYTES, MAX_TEXT_BYTES
from shards.dataset.members.choice import TEXTS, Role
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import parse_texts
from shards.dataset.tars import tar
from shards.dataset.tars.entries import BLOCK, Member
from shards.dataset.tars.tar_header import TarError
from shards.decode.decoder import Decoder
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.probe import probe
from shards.storage.local import LocalSource
from shards.storage.source import Source

_NEAR = 1 << 18
_DECODE = ClipConfig(num_frames=4, size=64)


class _Span(NamedTuple):
    """A member that can be looked at: its number, and which bytes of the shard it is."""

    number: int
    start: int
    stop: int


def check_shard(
    shards: Source,
    name: str,
    num_bytes: int,
    checksum: str,
    num_elements: int,
    rows: ShardMembers,
    *,
    quick: bool = False,
    decoder: Decoder | None = None,
    left_out: bool = False,
    quarantined: Sequence[Mapping[str, Any]] | None = None,
    on_bytes: Callable[[int], None] = lambda number: None,
    chunk_bytes: int = 1 << 23,
    max_header_bytes: int = 1 << 26,
) -> ShardReport:
    """Check a shard against the index, which says num_bytes, checksum ("": not known), num_elements and rows.

    quick: only size and headers. decoder: decode a few frames of every medium. left_out: the index quarantined samples
    of this shard, so members that it does not know are counted and no problem; quarantined: its lines about them, where
    they are known: what they do not name is a problem after all. on_bytes is told how many bytes are
    done; together num_bytes, unless the shard cannot be read. chunk_bytes: how many are read at a time.
    max_header_bytes: how many between members are kept for the check of the headers; of more, they are read again.
    """
    check = _Check(shards, name, rows, quick, decoder, left_out, on_bytes, chunk_bytes)
    if quarantined is not None:
        check.left_out = QuarantineLines(quarantined, rows.rules)
    if not rows.fits:
        check.spoil_all("index", "member columns of one length", "different lengths")
        return check.report
    if all(number >= 0 for number in rows.num_records) and sum(rows.num_records) != num_elements:
        check.problem(
            None, "index", f"{num_elements} records in shards.parquet", f"{sum(rows.num_records)} in its rows"
        )
    try:
        found = shards.stat(name).size
    except MissingFile:
        check.spoil_all("shard", f"a file of {num_bytes} bytes", "no such file")
        return check.report
    except SourceError as error:
        check.spoil_all("shard", f"a file of {num_bytes} bytes", str(error))
        return check.report
    try:
        spans = check.lay_out(found)
        if quick:
            check.headers(found, None)
            on_bytes(num_bytes)
        else:
            check.stream(found, checksum, spans, max_header_bytes)
    except OSError as error:
        check.spoil_all("shard", f"{num_bytes} bytes that can be read", str(error))
    if found != num_bytes:  # last, so that damaged samples keep their own reason
        check.spoil_all("shard size", f"{num_bytes} bytes", f"{found} bytes", first=True)
    return check.report


class _Check:
    """The check of one shard, step by step."""

    def __init__(
        self,
        shards: Source,
        name: str,
        rows: ShardMembers,
        quick: bool,
        decoder: Decoder | None,
        left_out: bool,
        on_bytes: Callable[[int], None],
        chunk_bytes: int,
    ) -> None:
        self._shards, self._name, self._rows, self._decoder = shards, name, rows, decoder
        self._chunk_bytes = chunk_bytes
        self.left_out: AnyLine | QuarantineLines = AnyLine() if left_out else QuarantineLines((), rows.rules)
        self._on_bytes = on_bytes
        self._proven = rows.verifiable and not quick
        self._texts: dict[int, dict[Role, bytes | None]] = {}
        """The texts of samples that are not read to their end; None for what cannot be used."""
        self.report = ShardReport(name, len(rows))

    # ------------------------------------------------------------ findings

    def problem(self, sample: int | None, what: str, expected: str, found: str, spoils: bool = True) -> None:
        key = None if sample is None else self._rows.keys[sample]
        problem = Problem(self._name, key, what, expected, found)
        self.report.problems.append(problem)
        if key is not None and spoils:
            self.report.bad.setdefault(key, problem.reason)

    def spoil_all(self, what: str, expected: str, found: str, first: bool = False) -> None:
        """A problem of the shard that makes all its samples useless."""
        problem = Problem(self._name, None, what, expected, found)
        self.report.problems.insert(0 if first else len(self.report.problems), problem)
        for key in self._rows.keys:
            self.report.bad.setdefault(key, problem.reason)

    # ------------------------------------------------------------ members

    def lay_out(self, shard_bytes: int) -> list[_Span]:
        """The members that lie inside the shard and not in each other; for the rest a problem."""
        rows, spans, end = self._rows, list[_Span](), 0
        for number, (start, size) in enumerate(zip(rows.offset, rows.size, strict=True)):
            stop = start + size
            if start < 0 or size < 0 or stop > shard_bytes:
                self._member_problem(number, "", f"bytes {start} to {stop}", f"a shard of {shard_bytes} bytes")
            elif start < end:
                self._member_problem(number, "", f"bytes {start} to {stop}", f"another member up to byte {end}")
            else:
                spans.append(_Span(number, start, stop))
                end = stop
        self.report.num_members = len(rows.offset)
        return spans

    def stream(self, shard_bytes: int, checksum: str, spans: list[_Span], max_header_bytes: int) -> None:
        """Read the shard once: its checksum, its members, and the headers between them."""
        import xxhash

        whole = xxhash.xxh3_128()
        headers = KeptHeaders(shard_bytes, f"{self._shards.url}/{self._name}", max_header_bytes)
        open_member: OpenMember | None = None
        number = kept_to = position = 0
        while position < shard_bytes:
            data = self._shards.read(self._name, position, min(self._chunk_bytes, shard_bytes - position))
            if not data:
                raise SourceError(f"{self._shards.url}/{self._name}: gave only {position} of {shard_bytes} bytes")
            if checksum:
                whole.update(data)
            view, stop = memoryview(data), position + len(data)
            while number < len(spans) and spans[number].start < stop:
                span = spans[number]
                if open_member is None:
                    headers.keep(kept_to, view, position, span.start)
                    open_member = OpenMember(self._is_looked_into(span))
                open_member.add(view[max(span.start - position, 0) : span.stop - position])
                if span.stop > stop:
                    break
                self._finish_member(span.number, open_member)
                open_member, number, kept_to = None, number + 1, -(-span.stop // BLOCK) * BLOCK
            if open_member is None:
                headers.keep(kept_to, view, position, stop)
                kept_to = max(kept_to, stop)
            self.report.num_bytes += len(data)
            self._on_bytes(len(data))
            position = stop
        for span in spans[number:]:  # empty members at the very end
            self._finish_member(span.number, OpenMember(True))
        if checksum and whole.hexdigest() != checksum:
            self.problem(None, "shard checksum", checksum, whole.hexdigest())
        self.headers(shard_bytes, headers if headers.complete else None)

    def _is_looked_into(self, span: _Span) -> bool:
        role, size = self._rows.role[span.number], span.stop - span.start
        if role in TEXTS:
            return size <= MAX_TEXT_BYTES
        return self._decoder is not None and role == "media" and size <= MAX_MEDIA_BYTES

    def _finish_member(self, number: int, member: OpenMember) -> None:
        rows = self._rows
        ext, role, expected = rows.ext[number], rows.role[number], rows.checksum[number]
        found = member.checksum
        if expected is not None and found != expected:
            self._member_problem(number, " checksum", f"{expected:08x}", f"{found:08x}")
            if role in TEXTS:
                self._take_text(rows.sample[number], role, None)
        elif role in TEXTS:
            if member.data is None:
                self.problem(rows.sample[number], f".{ext}", f"at most {MAX_TEXT_BYTES} bytes", f"{member.size}")
            self._take_text(rows.sample[number], role, member.data)
        elif self._decoder is not None and role == "media":
            self._decode(rows.sample[number], ext, member)

    def _take_text(self, sample: int, role: Role, data: bytes | None) -> None:
        """Keep a text until all of its sample are there, then count the records that they make."""
        texts = self._texts.setdefault(sample, {})
        texts.setdefault(role, data)
        if len(texts) < self._rows.num_texts[sample]:
            return
        del self._texts[sample]
        if None in texts.values():
            return
        expected = self._rows.num_records[sample]
        try:
            found = len(parse_texts(texts.get("json"), texts.get("txt"), self._rows.rules).records)
        except TextError as error:
            return self.problem(sample, "text", "text that can be read", str(error))
        self.report.num_records += found
        if expected not in (found, -1):
            self.problem(sample, "records", f"{expected}", f"{found}")

    def _decode(self, sample: int, ext: str, member: OpenMember) -> None:
        assert self._decoder is not None
        if member.data is None:
            return self.problem(sample, f".{ext}", f"at most {MAX_MEDIA_BYTES} bytes", f"{member.size}")
        facts = self._rows.facts(sample)
        try:
            if not facts.num_frames or not facts.width:
                facts = probe(member.data, f"x.{ext}")
            plan = plan_clip(facts, _DECODE, np.random.default_rng(0))
            if facts.kind == "image":
                plan = replace(plan, frames=(0,))
            self._decoder(member.data, facts.kind, plan)
            self.report.num_decoded += 1
        except MediaError as error:
            self.problem(sample, f".{ext}", f"{_DECODE.num_frames} frames that can be decoded", str(error))

    def _member_problem(self, number: int, what: str, expected: str, found: str) -> None:
        self.problem(self._rows.sample[number], f".{self._rows.ext[number]}{what}", expected, found)

    # ------------------------------------------------------------ headers

    def headers(self, shard_bytes: int, kept: KeptHeaders | None) -> None:
        """Compare the tar's own list of members with the index."""
        rows = self._rows
        names = [f"{rows.keys[sample]}.{ext}" for sample, ext in zip(rows.sample, rows.ext, strict=True)]
        expected = list(map(Member, names, rows.offset, rows.size))
        # What was kept are the bytes where headers must be if the index is right, so agreement is proof; anything
        # else is looked at again in the shard itself, to say truly what is there.
        if kept is not None and self._agrees(kept, expected):
            return
        try:
            found = tar.scan_all(self._tar(shard_bytes))
        except TarError as error:
            text = str(error).removeprefix(f"{self._shards.url}/{self._name}: ")
            return self.problem(self._behind(text), "tar header", "a whole tar", text, spoils=not self._proven)
        for number, what, has in differences(expected, found, rows.rules):
            if number is not None:
                self.problem(rows.sample[number], "tar header", shown(what), has, spoils=not self._proven)
            elif self.left_out.covers(what):
                self.report.num_unlisted += 1
            else:
                self.problem(None, "tar header", "nothing", f"{has}, which the index does not know")

    def _agrees(self, kept: KeptHeaders, expected: list[Member]) -> bool:
        try:
            found = list(differences(expected, tar.scan_all(cast(BinaryIO, kept)), self._rows.rules))
        except TarError:
            return False
        if not all(number is None and self.left_out.covers(entry) for number, entry, _ in found):
            return False
        self.report.num_unlisted += len(found)
        return True

    def _tar(self, shard_bytes: int) -> str | BinaryIO:
        """The shard as a scan wants it: the path of a local file, else a file that is read in strides."""
        if isinstance(self._shards, LocalSource):
            return os.path.join(self._shards.url, self._name)
        return cast(BinaryIO, ReadAhead(self._shards, self._name, shard_bytes, self._stride()))

    def _stride(self) -> int:
        """Bytes to fetch at a time when only headers are wanted: everything where they lie close together."""
        rows = self._rows
        return self._chunk_bytes if rows.offset and rows.offset[-1] < _NEAR * len(rows.offset) else 1 << 14

    def _behind(self, message: str) -> int | None:
        """The sample of the first member behind the byte that an error of the scan names."""
        byte = re.search(r"\bbytes? (\d+)", message)
        at = bisect.bisect_left(self._rows.offset, int(byte[1])) if byte else len(self._rows.offset)
        return self._rows.sample[at] if at < len(self._rows.sample) else None
