"""The check of one shard: what damage it finds, that it names it, and that it reads each byte once."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.base.errors import SourceError
from shards.dataset.checking.problems import ShardReport
from shards.dataset.checking.verify import check_shard
from shards.dataset.checking.verify_members import ShardMembers
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow, member_checksum
from shards.dataset.index.write_index import rows_table
from shards.dataset.tars.tar import scan
from shards.decode.backends import open_decoder
from shards.media.facts import MediaFacts
from shards.media.probe import probe
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.source import Source, Stat

FACTS = MediaFacts("video", "h264", 320, 240, 75, 25.0, 3.0, 0.5)


def check(folder: Path, number: int = 0, source: Source | None = None, **options: object) -> ShardReport:
    """Check a shard of a dataset as its index says."""
    import pyarrow.parquet as pq

    shards = Index.open(open_source(folder)).shards
    first = int(shards.first_row[number])
    table = pq.read_table(folder / "index.parquet").slice(first, int(shards.num_samples[number]))
    return check_shard(
        source or open_source(folder),
        shards.names[number],
        int(shards.bytes[number]),
        shards.checksums[number],
        int(shards.num_elements[number]),
        ShardMembers(table),
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


def overwrite(shard: Path, offset: int, data: bytes) -> None:
    with open(shard, "r+b") as file:
        file.seek(offset)
        file.write(data)


def found(report: ShardReport) -> list[tuple[str | None, str]]:
    return [(problem.key, problem.what) for problem in report.problems]


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


def test_headers_that_do_not_fit_into_memory_are_read_again(folder: Path) -> None:
    assert not check(folder, max_header_bytes=1000).problems
    member = scan(folder / "000000.tar")[4]
    overwrite(folder / "000000.tar", member.offset - 512, b"?")
    report = check(folder, max_header_bytes=1000)
    assert report == check(folder) and found(report) == [(None, "shard checksum"), ("s0002", "tar header")]


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


# ------------------------------------------------------------ damage of a whole shard


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


# ------------------------------------------------------------ rows that do not fit


def shard_of(
    folder: Path, members: dict[str, bytes], rows: list[SampleRow] | None = None, **options: object
) -> ShardReport:
    """Check a tar of these members against rows, which by default are right."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / "a.tar", "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    if rows is None:
        rows = rows_of(folder, members)
    return check_shard(
        open_source(folder),
        "a.tar",
        (folder / "a.tar").stat().st_size,
        "",
        sum(row.num_records for row in rows),
        ShardMembers(rows_table(0, rows)),
        **options,  # type: ignore[arg-type]
    )


def rows_of(folder: Path, members: dict[str, bytes], facts: MediaFacts = FACTS) -> list[SampleRow]:
    by_key: dict[str, list[MemberRow]] = {}
    for member in scan(folder / "a.tar"):
        key, _, ext = member.name.partition(".")
        row = MemberRow(ext.lower(), member.offset, member.size, member_checksum(members[member.name]))
        by_key.setdefault(key, []).append(row)
    return [SampleRow(key, tuple(rows), 1, facts) for key, rows in by_key.items()]


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


def test_foreign_samples_have_one_record(tmp_path: Path) -> None:
    members = {
        "a.jpg": b"x",
        "a.json": b'{"caption": "c"}',
        "a.txt": b"c",
        "b.JPG": b"y",
        "b.txt": b"d",
        "empty.txt": b"",
    }
    members |= {"README": b"not a sample", "__meta__.x": b""}
    shard_of(tmp_path, members)
    rows = [row for row in rows_of(tmp_path, members) if row.key not in ("README", "__meta__")]
    report = shard_of(tmp_path, members, rows)
    assert report.num_records == 2
    assert {key: reason for key, reason in report.bad.items() if "has no text" in reason}.keys() == {"empty"}
    assert len(report.problems) == 1


@pytest.mark.parametrize(("offset", "size"), [(-5, 3), (0, 1 << 40), (512, -1), (513, 3)])
def test_impossible_byte_ranges_are_named(tmp_path: Path, offset: int, size: int) -> None:
    shard_of(tmp_path, {"a.mp4": b"12345", "b.mp4": b"x"})
    good = rows_of(tmp_path, {"a.mp4": b"12345", "b.mp4": b"x"})
    rows = [good[0], SampleRow("b", (MemberRow("mp4", offset, size, 0),), 1, FACTS)]
    report = shard_of(tmp_path, {"a.mp4": b"12345", "b.mp4": b"x"}, rows)
    assert "b" in report.bad and "a" not in report.bad
    assert report.bad["b"].startswith(f".mp4: expected bytes {offset} to {offset + size}, found")


def test_record_counts_of_shard_and_rows_must_agree(folder: Path) -> None:
    report = check_shard(
        open_source(folder), "000000.tar", 0, "", 5, ShardMembers(rows_table(0, [SampleRow("a", (), 1, FACTS)]))
    )
    assert (None, "index") in found(report)


# ------------------------------------------------------------ decoding


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
