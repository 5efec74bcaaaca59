"""Check one shard against its rows of the index: size, checksums, tar headers, records, and on request decoding.

Promises: every byte of a shard is read once, in chunks; what is held is one chunk, the tar headers (up to a limit) and
one member at a time. Every fault becomes a `Problem` that names the place, what was expected and what was found;
nothing in the data stops the check. `bad` names every sample that a reader could not use
as the shard is now: one whose bytes are wrong, and all samples of a shard that is missing or of the wrong size,
because a reader refuses the whole shard. Damage outside of the samples' bytes (headers, padding) is a problem, but
spoils a sample only where there is no checksum that proves its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from shards.base.errors import MediaError, MissingFile, SourceError
from shards.dataset.checking.header_check import HeaderCheck
from shards.dataset.checking.header_differences import QuarantineLines
from shards.dataset.checking.open_member import OpenMember
from shards.dataset.checking.problems import ShardReport
from shards.dataset.checking.shard_views import KeptHeaders
from shards.dataset.checking.verify_members import ShardMembers
from shards.dataset.index.rows import MAX_MEDIA_BYTES, MAX_TEXT_BYTES
from shards.dataset.members.choice import TEXTS, Role
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.records import parse_texts
from shards.dataset.tars.entries import BLOCK
from shards.decode.decoder import Decoder
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.probe import probe
from shards.storage.source import Source

_DECODE = ClipConfig(num_frames=4, size=64)


class _Span(NamedTuple):
    """A member whose bytes can be read: its number, and its byte range in the shard."""

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

    quick: check only size and headers. decoder: decode a few frames of every medium. left_out: the index quarantined
    samples of this shard, so members that it does not know are counted and are no problem. quarantined: the lines of
    the quarantine about this shard, if they are known; members that they do not name are a problem. on_bytes is called
    with the bytes that are done; together num_bytes, unless the shard cannot be read. chunk_bytes: read at a time.
    max_header_bytes: of the bytes between members that are kept to check the headers; if there are more, they are read
    again.
    """
    lines = () if quarantined is None and not left_out else quarantined
    check = _Check(shards, name, rows, quick, decoder, QuarantineLines(lines, rows.rules), on_bytes, chunk_bytes)
    report = check.report
    if not rows.fits:
        report.spoil_all(rows.keys, "index", "member columns of one length", "different lengths")
        return report
    if all(number >= 0 for number in rows.num_records) and sum(rows.num_records) != num_elements:
        report.problem(
            None, "index", f"{num_elements} records in shards.parquet", f"{sum(rows.num_records)} in its rows"
        )
    try:
        found = shards.stat(name).size
    except MissingFile:
        report.spoil_all(rows.keys, "shard", f"a file of {num_bytes} bytes", "no such file")
        return report
    except SourceError as error:
        report.spoil_all(rows.keys, "shard", f"a file of {num_bytes} bytes", str(error))
        return report
    try:
        spans = check.lay_out(found)
        if quick:
            check.headers.check(found, None)
            on_bytes(num_bytes)
        else:
            check.stream(found, checksum, spans, max_header_bytes)
    except OSError as error:
        report.spoil_all(rows.keys, "shard", f"{num_bytes} bytes that can be read", str(error))
    if found != num_bytes:  # last, so that damaged samples keep their own reason
        report.spoil_all(rows.keys, "shard size", f"{num_bytes} bytes", f"{found} bytes", first=True)
    return report


class _Check:
    """The check of one shard, step by step."""

    def __init__(
        self,
        shards: Source,
        name: str,
        rows: ShardMembers,
        quick: bool,
        decoder: Decoder | None,
        left_out: QuarantineLines,
        on_bytes: Callable[[int], None],
        chunk_bytes: int,
    ) -> None:
        self._shards, self._name, self._rows, self._decoder = shards, name, rows, decoder
        self._chunk_bytes = chunk_bytes
        self._on_bytes = on_bytes
        self._texts: dict[int, dict[Role, bytes | None]] = {}
        """Sample -> texts that were read, while others of it are to come; None for a text that cannot be used."""
        self.report = ShardReport(name, len(rows))
        spoils = quick or not rows.verifiable
        self.headers = HeaderCheck(shards, rows, left_out, spoils, chunk_bytes, self.report)

    def _problem(self, sample: int, what: str, expected: str, found: str) -> None:
        self.report.problem(self._rows.keys[sample], what, expected, found)

    def _member_problem(self, number: int, what: str, expected: str, found: str) -> None:
        self._problem(self._rows.sample[number], f".{self._rows.ext[number]}{what}", expected, found)

    def lay_out(self, shard_bytes: int) -> list[_Span]:
        """The members that lie inside the shard and do not overlap; for each of the others a problem."""
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
                    open_member = OpenMember(self._is_kept(span))
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
            self.report.problem(None, "shard checksum", checksum, whole.hexdigest())
        self.headers.check(shard_bytes, headers if headers.complete else None)

    def _is_kept(self, span: _Span) -> bool:
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
                self._problem(rows.sample[number], f".{ext}", f"at most {MAX_TEXT_BYTES} bytes", f"{member.size}")
            self._take_text(rows.sample[number], role, member.data)
        elif self._decoder is not None and role == "media":
            self._decode(rows.sample[number], ext, member)

    def _take_text(self, sample: int, role: Role, data: bytes | None) -> None:
        """Keep a text until all texts of its sample were read, then count their records."""
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
            return self._problem(sample, "text", "text that can be read", str(error))
        self.report.num_records += found
        if expected not in (found, -1):
            self._problem(sample, "records", f"{expected}", f"{found}")

    def _decode(self, sample: int, ext: str, member: OpenMember) -> None:
        assert self._decoder is not None
        if member.data is None:
            return self._problem(sample, f".{ext}", f"at most {MAX_MEDIA_BYTES} bytes", f"{member.size}")
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
            self._problem(sample, f".{ext}", f"{_DECODE.num_frames} frames that can be decoded", str(error))
