"""Compare the tar headers of one shard with its rows of the index."""

from __future__ import annotations

import bisect
import os
import re
from typing import BinaryIO, cast

from shards.dataset.checking.header_differences import Difference, QuarantineLines, differences
from shards.dataset.checking.problems import ShardReport
from shards.dataset.checking.shard_views import KeptHeaders, ReadAhead
from shards.dataset.checking.verify_members import ShardMembers
from shards.dataset.tars.entries import Member
from shards.dataset.tars.tar import scan_all
from shards.dataset.tars.tar_header import TarError
from shards.storage.local import LocalSource
from shards.storage.source import Source

_NEAR = 1 << 18
"""Mean bytes a member up to which all bytes are fetched when only headers are wanted."""
_FAR_STRIDE = 1 << 14
"""Bytes to fetch at a time when members are larger."""


class HeaderCheck:
    """The check of the headers of one shard.

    left_out: members that the index does not know and that are no problem. spoils: a wrong header makes its sample
    useless, because no checksum proves its bytes. chunk_bytes: read at a time. report: gets the problems.
    """

    def __init__(
        self,
        shards: Source,
        rows: ShardMembers,
        left_out: QuarantineLines,
        spoils: bool,
        chunk_bytes: int,
        report: ShardReport,
    ) -> None:
        self._shards, self._rows, self._left_out = shards, rows, left_out
        self._spoils, self._chunk_bytes, self._report = spoils, chunk_bytes, report

    def check(self, shard_bytes: int, kept: KeptHeaders | None) -> None:
        """Compare the members that the tar lists with those of the index. kept: its headers, if they were read."""
        rows, report = self._rows, self._report
        names = [f"{rows.keys[sample]}.{ext}" for sample, ext in zip(rows.sample, rows.ext, strict=True)]
        expected = list(map(Member, names, rows.offset, rows.size))
        # What was kept are the bytes where headers must be if the index is right, so agreement is proof. Otherwise
        # the headers are read again from the shard itself, to report what is really there.
        if kept is not None and self._agrees(kept, expected):
            return
        try:
            found = scan_all(self._tar(shard_bytes))
        except TarError as error:
            text = str(error).removeprefix(f"{self._shards.url}/{report.shard}: ")
            return report.problem(self._key_behind(text), "tar header", "a whole tar", text, self._spoils)
        for difference in differences(expected, found, rows.rules):
            if difference.number is not None:
                key = rows.keys[rows.sample[difference.number]]
                report.problem(key, "tar header", difference.expected, difference.found, self._spoils)
            elif self._left_out.covers(difference.entry):
                report.num_unlisted += 1
            else:
                text = f"{difference.found}, which the index does not know"
                report.problem(None, "tar header", difference.expected, text)

    def _agrees(self, kept: KeptHeaders, expected: list[Member]) -> bool:
        try:
            found = list(differences(expected, scan_all(cast(BinaryIO, kept)), self._rows.rules))
        except TarError:
            return False
        if not all(self._is_left_out(difference) for difference in found):
            return False
        self._report.num_unlisted += len(found)
        return True

    def _is_left_out(self, difference: Difference) -> bool:
        return difference.number is None and self._left_out.covers(difference.entry)

    def _tar(self, shard_bytes: int) -> str | BinaryIO:
        """The shard for a scan: the path of a local file, or a file that is read in strides."""
        name = self._report.shard
        if isinstance(self._shards, LocalSource):
            return os.path.join(self._shards.url, name)
        return cast(BinaryIO, ReadAhead(self._shards, name, shard_bytes, self._stride()))

    def _stride(self) -> int:
        offsets = self._rows.offset
        return self._chunk_bytes if offsets and offsets[-1] < _NEAR * len(offsets) else _FAR_STRIDE

    def _key_behind(self, message: str) -> str | None:
        """Key of the first member behind the byte that an error of the scan names."""
        rows = self._rows
        byte = re.search(r"\bbytes? (\d+)", message)
        at = bisect.bisect_left(rows.offset, int(byte[1])) if byte else len(rows.offset)
        return rows.keys[rows.sample[at]] if at < len(rows.sample) else None
