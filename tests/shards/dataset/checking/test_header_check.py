"""Headers are compared with the index; differences are named."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from shards.dataset.tars.tar import scan
from tests.shards.dataset.checking.checked import check, found, overwrite


def test_a_stale_index_is_found_by_headers_alone(folder: Path) -> None:
    shard = folder / "000000.tar"
    members = [(m.name, shard.read_bytes()[m.offset : m.offset + m.size]) for m in scan(shard)]
    members[4:6] = reversed(members[4:6])
    size = shard.stat().st_size
    with tarfile.open(shard, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert shard.stat().st_size == size
    report = check(folder, quick=True)
    assert list(report.bad) == ["s0002"] and {what for _, what in found(report)} == {"tar header"}


def test_a_broken_header_is_named_but_spoils_no_proven_sample(folder: Path) -> None:
    member = scan(folder / "000000.tar")[4]
    overwrite(folder / "000000.tar", member.offset - 512, b"?")
    report = check(folder)
    assert found(report) == [(None, "shard checksum"), ("s0002", "tar header")] and not report.bad
    assert "checksum does not fit" in report.problems[1].found
    assert list(check(folder, quick=True).bad) == ["s0002"]


def test_a_member_that_the_index_does_not_know_is_named(folder: Path) -> None:
    shard = folder / "000000.tar"
    with tarfile.open(shard, "a") as tar:
        for name in ("README", "new.mp4"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    report = check(folder)
    unknown = [problem for problem in report.problems if problem.what == "tar header"]
    assert len(unknown) == 1 and "'new.mp4' of 3 bytes" in unknown[0].found
    report = check(folder, left_out=True)
    assert report.num_unlisted == 1 and "tar header" not in {what for _, what in found(report)}
