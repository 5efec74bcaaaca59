"""Headers are kept while a shard is read, up to a limit."""

from __future__ import annotations

from pathlib import Path

from shards.dataset.tars.tar import scan
from tests.shards.dataset.checking.checked import check, found, overwrite


def test_headers_that_do_not_fit_into_memory_are_read_again(folder: Path) -> None:
    assert not check(folder, max_header_bytes=1000).problems
    member = scan(folder / "000000.tar")[4]
    overwrite(folder / "000000.tar", member.offset - 512, b"?")
    report = check(folder, max_header_bytes=1000)
    assert report == check(folder) and found(report) == [(None, "shard checksum"), ("s0002", "tar header")]
