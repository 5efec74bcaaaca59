"""The check of one shard: what damage it finds, that it names it, and that it reads each byte once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.base.errors import SourceError
from shards.dataset.checking.verify import check_shard
from shards.dataset.checking.verify_members import ShardMembers
from shards.dataset.index.rows import SampleRow
from shards.dataset.index.write_index import rows_table
from shards.dataset.tars.tar import scan
from shards.decode.backends import open_decoder
from shards.media.facts import MediaFacts
from shards.media.probe import probe
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.source import Stat
from tests.shards.dataset.checking.checked import FACTS, check, found, overwrite, rows_of, shard_of


class CountingSource(LocalSource):
    """Counts how often each byte is read."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.reads: list[tuple[int, int]] = []

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().read(name, offset, length)
        self.reads.append((offset, offset + len(data)))
        return data


def test_a_whole_shard_is_read_once_in_pieces(folder: Path) -> None:
    source = CountingSource(str(folder))
    done: list[int] = []
    report = check(folder, source=source, on_bytes=done.append, chunk_bytes=1000)
    size = (folder / "000000.tar").stat().st_size
    assert not report.problems and report.num_records == 13 and report.num_members == 14
    assert source.reads == [(start, min(start + 1000, size)) for start in range(0, size, 1000)]
    assert sum(done) == size == report.num_bytes


@pytest.mark.parametrize("chunk", [1, 511, 512, 700, 1 << 20])
def test_the_size_of_a_piece_changes_nothing(folder: Path, chunk: int) -> None:
    assert not check(folder, 3, chunk_bytes=chunk).problems
    member = scan(folder / "000003.tar")[2]
    overwrite(folder / "000003.tar", member.offset + member.size - 1, b"\xff")
    key, _, ext = member.name.partition(".")
    report = check(folder, 3, chunk_bytes=chunk)
    assert found(report) == [(key, f".{ext} checksum"), (None, "shard checksum")]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**9), bit=st.integers(0, 7), chunk=st.sampled_from([600, 4096, 1 << 20]))
def test_any_flipped_bit_is_found_and_spoils_only_what_it_hits(folder: Path, at: int, bit: int, chunk: int) -> None:
    shard = folder / "000000.tar"
    whole = shard.read_bytes()
    at %= len(whole)
    hit = [m.name.partition(".")[0] for m in scan(shard) if m.offset <= at < m.offset + m.size]
    try:
        overwrite(shard, at, bytes([whole[at] ^ 1 << bit]))
        report = check(folder, chunk_bytes=chunk)
        assert (None, "shard checksum") in found(report)
        assert list(report.bad) == hit
    finally:
        shard.write_bytes(whole)


def test_a_missing_shard_spoils_every_sample(folder: Path) -> None:
    (folder / "000000.tar").unlink()
    report = check(folder)
    assert found(report) == [(None, "shard")] and report.problems[0].found == "no such file"
    assert len(report.bad) == 7


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("cut", ["inside", "boundary"])
def test_a_cut_shard_names_the_size_and_the_samples_that_are_gone(folder: Path, cut: str, quick: bool) -> None:
    shard = folder / "000000.tar"
    members = scan(shard)
    whole = shard.stat().st_size
    size = members[8].offset + (100 if cut == "inside" else -512)
    with open(shard, "r+b") as file:
        file.truncate(size)
    report = check(folder, quick=quick)
    first = report.problems[0]
    assert (first.what, first.expected, first.found) == ("shard size", f"{whole} bytes", f"{size} bytes")
    lost = {member.name.partition(".")[0] for member in members[8:]}
    assert {key for key, what in found(report) if key and what != "tar header"} == lost
    assert len(report.bad) == 7  # a reader refuses the shard whole
    assert {key for key, reason in report.bad.items() if not reason.startswith("shard size")} >= lost


@pytest.mark.parametrize("quick", [False, True])
def test_a_zeroed_tail_names_every_sample_in_it(folder: Path, quick: bool) -> None:
    shard = folder / "000000.tar"
    members = scan(shard)
    start = members[8].offset - 512
    overwrite(shard, start, bytes(shard.stat().st_size - start))
    report = check(folder, quick=quick)
    assert set(report.bad) == {member.name.partition(".")[0] for member in members[8:]}
    assert ("shard checksum" in {what for _, what in found(report)}) is not quick


def test_a_source_that_fails_is_a_problem_with_its_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    source = open_source(folder)
    monkeypatch.setattr("os.pread", fail)
    report = check_shard(
        source, "000000.tar", (folder / "000000.tar").stat().st_size, "", 0, ShardMembers(rows_table(0, []))
    )
    assert found(report) == [(None, "shard")] and "Input/output error" in report.problems[0].found


def test_a_store_that_gives_less_than_it_has_is_a_problem(folder: Path) -> None:
    class Short(LocalSource):
        def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
            return b""

    report = check(folder, source=Short(str(folder)))
    assert "gave only 0 of" in report.problems[0].found and len(report.bad) == 7


def test_a_missing_right_is_a_problem(folder: Path) -> None:
    class Refusing(LocalSource):
        def stat(self, name: str) -> Stat:
            raise SourceError(f"{name}: access refused")

    assert check(folder, source=Refusing(str(folder))).problems[0].found == "000000.tar: access refused"


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        (b"{", "text that can be read", "json cannot be read"),
        (b'{"records": [1]}', "text that can be read", "a list of objects under 'records'"),
        (b"[]", "text that can be read", "it is a list"),
        (b'{"records": [{"score": NaN}]}', "text that can be read", "NaN is no json"),
        (b'{"records": [{}, {}]}', "1", "2"),
        (b'{"records": []}', "1", "0"),
    ],
)
def test_records_are_counted(tmp_path: Path, text: bytes, expected: str, reason: str) -> None:
    report = shard_of(tmp_path, {"a.mp4": b"x", "a.json": text})
    assert [problem.key for problem in report.problems] == ["a"]
    assert report.problems[0].expected == expected and reason in report.problems[0].found
    assert "a" in report.bad


def test_text_that_is_not_utf_8_or_blank_is_found_without_checksums(tmp_path: Path) -> None:
    members = {"a.jpg": b"x", "a.txt": b"\xff\xff", "b.jpg": b"x", "b.json": b"{}", "b.txt": b" ", "c.jpg": b"x"}
    members |= {"c.json": b"{}", "c.txt": b"fine", "d.jpg": b"x", "d.json": b"{}"}
    shard_of(tmp_path, members)
    rows = [
        row._replace(members=tuple(member._replace(checksum=None) for member in row.members), num_records=-1)
        for row in rows_of(tmp_path, members)
    ]
    report = shard_of(tmp_path, members, rows)
    assert report.bad.keys() == {"a", "b", "d"} and "not utf-8" in report.bad["a"] and "has no text" in report.bad["d"]
    assert report.num_records == 1


def test_record_counts_of_shard_and_rows_must_agree(folder: Path) -> None:
    report = check_shard(
        open_source(folder), "000000.tar", 0, "", 5, ShardMembers(rows_table(0, [SampleRow("a", (), 1, FACTS)]))
    )
    assert (None, "index") in found(report)


def test_undecodable_media_are_found_whether_or_not_the_index_has_facts(
    tmp_path: Path, make_clip: Callable[..., bytes]
) -> None:
    clip = make_clip(12)
    # The end of the stream is destroyed, its beginning and its header are good.
    broken = clip[: len(clip) // 2] + bytes(len(clip) // 4)
    members = {"good.mp4": clip, "bad.mp4": b"no video at all", "torn.mp4": broken}
    shard_of(tmp_path, members)
    for facts in (probe(clip, "a.mp4"), MediaFacts("", "", 0, 0, 0)):
        report = shard_of(tmp_path, members, rows_of(tmp_path, members, facts), decoder=open_decoder("cpu"))
        assert set(report.bad) == {"bad", "torn"} and report.num_decoded == 1
        assert all(problem.expected == "4 frames that can be decoded" for problem in report.problems)


def test_only_the_medium_that_a_reader_takes_is_decoded(tmp_path: Path, make_clip: Callable[..., bytes]) -> None:
    members = {"a.mp4": make_clip(12), "a.jpg": b"a thumbnail that nobody reads", "a.txt": b"caption"}
    shard_of(tmp_path, members)
    rows = rows_of(tmp_path, members, probe(members["a.mp4"], "a.mp4"))
    report = shard_of(tmp_path, members, rows, decoder=open_decoder("cpu"))
    assert not report.problems and report.num_decoded == 1
