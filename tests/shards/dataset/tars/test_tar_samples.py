"""Every group of a tar becomes a row or a line of the quarantine, grouped as WebDataset groups."""

from __future__ import annotations

import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_header import TarError
from shards.dataset.tars.tar_samples import ShardSamples, read_samples, stream_samples
from tests.shards.foreign_tars import CLIP, picture, write_tar

JSON = b'{"caption": "a"}'


def look(path: Path, looks: Looks | None = None) -> ShardSamples:
    return read_samples(scan(path), str(path), looks or Looks())


def reasons(found: ShardSamples) -> dict[str, str]:
    return {line["member"]: line["reason"] for line in found.quarantined}


def test_a_row_has_members_checksums_and_records(tmp_path: Path) -> None:
    files = [("d/a.cls", b"7"), ("d/a.JPG", picture(0)), ("d/a.seg.png", b"png"), ("d/a.txt", b"text")]
    path = write_tar(tmp_path / "a.tar", files)
    found = look(path)
    raw = path.read_bytes()
    [row] = found.rows
    assert (row.key, row.num_records, row.facts.kind, row.facts.num_frames) == ("d/a", 1, "image", 0)
    assert [member.ext for member in row.members] == ["cls", "jpg", "seg.png", "txt"]
    for member, (_, data) in zip(row.members, files, strict=True):
        assert raw[member.offset : member.offset + member.size] == data
        assert member.checksum == xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF
    assert found.checksum == xxhash.xxh3_128_hexdigest(raw) and not found.quarantined


def test_headers_only_read_nothing_else(tmp_path: Path) -> None:
    files = [("a.jpg", b"x"), ("a.json", JSON), ("b.jpg", b"x"), ("b.txt", b"x"), ("c.mp4", b"x")]
    path = write_tar(tmp_path / "a.tar", files)
    found = read_samples(scan(path), "/nowhere", Looks(checksums=False))
    assert [row.num_records for row in found.rows] == [-1, 1] and found.checksum == ""
    assert {member.checksum for row in found.rows for member in row.members} == {None}
    assert list(reasons(found)) == ["c.mp4"] and "needs a medium and a json or txt, has mp4" in reasons(found)["c.mp4"]


def test_headers_say_no_count_where_a_json_beside_the_txt_may_hold_a_list_of_records(tmp_path: Path) -> None:
    two = b'{"records": [{"caption": "a"}, {"caption": "b"}]}'
    path = write_tar(tmp_path / "a.tar", [("a.jpg", b"x"), ("a.json", two), ("a.txt", b"x")])
    counts = [
        read_samples(scan(path), str(path), Looks(checksums=looks)).rows[0].num_records for looks in (True, False)
    ]
    assert counts == [2, -1]


def test_what_cannot_be_used_is_quarantined_with_the_reason(tmp_path: Path) -> None:
    files = [
        ("README", b"x"),
        ("good.jpg", b"x"),
        ("good.json", JSON),
        ("dir/.hidden.jpg", b"x"),
        ("__meta__.json", b"x"),
        ("twice.jpg", b"x"),
        ("twice.jpg", b"x"),
        ("twice.json", JSON),
        ("good.jpg", b"x"),
        ("good.json", JSON),
        ("bare.jpg", b"x"),
        ("text.json", JSON),
        ("empty.jpg", b""),
        ("empty.json", JSON),
        ("bad.jpg", b"x"),
        ("bad.json", b"{"),
        ("none.jpg", b"x"),
        ("none.json", b'{"records": []}'),
        ("k" * 1100 + ".jpg", b"x"),
        ("caf\udce9.jpg", b"x"),
        *((f"many.{i}", b"x") for i in range(257)),
        ("last.jpg", b"x"),
        ("last.txt", b"text"),
    ]
    found = look(write_tar(tmp_path / "a.tar", files))
    assert [row.key for row in found.rows] == ["good", "last"]
    expected = {
        "README": "no key",
        "dir/.hidden.jpg": "no key",
        "__meta__.json": "no key",
        "twice.jpg": "has .jpg twice",
        "good.jpg": "a second time in this tar",
        "bare.jpg": "needs a medium and a json or txt, has jpg",
        "text.json": "needs a medium and a json or txt, has json",
        "empty.jpg": ".jpg has 0 bytes",
        "bad.jpg": "json cannot be read",
        "none.jpg": "empty list of records",
        "k" * 1100 + ".jpg": "the limit is 1024",
        "caf\udce9.jpg": "not UTF-8",
        "many.0": "has 257 members",
    }
    found_reasons = reasons(found)
    assert found_reasons.keys() == expected.keys()
    for name, part in expected.items():
        assert part in found_reasons[name]


def test_media_are_probed_and_their_key_frames_listed(tmp_path: Path) -> None:
    files = [("v.mp4", CLIP.read_bytes()), ("v.txt", b"x"), ("p.jpg", picture(0)), ("p.txt", b"x")]
    files += [("bad.mp4", b"no video"), ("bad.txt", b"x")]
    found = look(write_tar(tmp_path / "a.tar", files), Looks(media=True))
    video, image = found.rows
    assert video.facts.kind == "video" and video.facts.num_frames > 1 and video.key_frames is not None
    assert video.key_frames.frames[0] == 0 and video.key_frames.times[0] == pytest.approx(video.facts.start_time)
    assert image.facts.codec == "jpeg" and image.key_frames is not None and image.key_frames.frames == []
    assert "not a video" in reasons(found)["bad.mp4"]


def test_a_tar_that_shrinks_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("a.jpg", b"x" * 5000), ("a.txt", b"x")])
    members = scan(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(TarError, match="byte 2000: the file got shorter while it was read"):
        read_samples(members, str(path), Looks())


names = (
    st.tuples(st.sampled_from(["", "./", "d/"]), st.text("ab._", max_size=6))
    .map("".join)
    .filter(lambda name: not name.endswith("/") and name not in (".", "./.", "..", "./..", "d/.", "d/.."))
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(names.filter(bool), st.sampled_from([b"", b"x", JSON])), max_size=12))
def test_every_member_is_accounted_for_once(tmp_path: Path, files: list[tuple[str, bytes]]) -> None:
    path = write_tar(tmp_path / "a.tar", files, tarfile.USTAR_FORMAT)
    found = look(path)
    groups: list[str | None] = []
    for name, _ in files:
        parts = MemberRules().split(name)
        if parts is None:
            groups.append(None)
        elif parts[0] != next((key for key in reversed(groups) if key is not None), None):
            groups.append(parts[0])
    assert found.num_groups == len(groups)
    assert sorted(row.key for row in found.rows) == sorted({row.key for row in found.rows})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(
        st.tuples(names.filter(bool), st.sampled_from([b"", b"x", JSON, b"x" * 999, picture(0)])), max_size=9
    ),
    media=st.booleans(),
    piece=st.sampled_from([700, 5000, 10**6]),
    tar_format=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_a_tar_that_is_streamed_gives_the_same_and_is_read_once(
    tmp_path: Path, files: list[tuple[str, bytes]], media: bool, piece: int, tar_format: int
) -> None:
    path = write_tar(tmp_path / "a.tar", files, tar_format)
    raw = path.read_bytes()
    asked: list[tuple[int, int]] = []

    def read(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return raw[offset : offset + length]

    looks = Looks(media=media)
    streamed = stream_samples(read, len(raw), "a.tar", looks, piece)
    assert streamed == read_samples(scan(path), str(path), looks)
    starts = range(0, len(raw), piece)
    assert sorted(asked) == [(start, min(piece, len(raw) - start)) for start in starts]
    if not files:
        return
    cut = raw[: scan(path)[-1].offset]
    with pytest.raises(TarError, match=r"far\.tar: .*cut off"):
        stream_samples(lambda offset, length: cut[offset : offset + length], len(cut), "far.tar", looks, piece)
    with pytest.raises(TarError, match=r"far\.tar: byte \d+: the file got shorter while it was read"):
        stream_samples(lambda offset, length: cut[offset : offset + length], len(raw), "far.tar", looks, piece)


def test_of_a_stream_no_more_than_a_sample_is_kept(tmp_path: Path) -> None:
    files = [(f"{i:03d}.{ext}", b"x" * 1_000_000) for i in range(40) for ext in ("jpg", "png", "bin", "txt", "json")]
    path = write_tar(tmp_path / "a.tar", files)
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            return os.pread(file.fileno(), length, offset)

        tracemalloc.start()
        try:
            found = stream_samples(read, path.stat().st_size, "a.tar", Looks(), piece_bytes=100_000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found.num_groups == 40 and peak < 6_000_000


def test_a_group_that_gives_no_row_says_why(tmp_path: Path) -> None:
    files = [("j.jpg", b"x"), ("j.txt", b"a"), ("k.jpg", b"x"), ("k.jpg", b"x"), ("k.txt", b"a")]
    found = look(write_tar(tmp_path / "a.tar", files))
    assert [row.key for row in found.rows] == ["j"]
    assert reasons(found) == {"k.jpg": "has .jpg twice; rename one of them"}


def test_a_text_in_another_member_is_pointed_at(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("a.jpg", b"x"), ("a.json", b'{"n": 1}'), ("a.caption.txt", b"text")])
    assert "; or read another member: --text-members caption.txt" in reasons(look(path))["a.jpg"]
    assert not reasons(look(path, Looks(rules=MemberRules(text_members="json,caption.txt"))))


@pytest.mark.parametrize("media", [None, "image", "png,any"])
def test_a_stream_keeps_the_medium_that_is_chosen_wherever_it_comes(tmp_path: Path, media: str | None) -> None:
    clip = CLIP.read_bytes()
    files = [("0.jpg", picture(0)), ("0.mp4", clip), ("0.png", b"no picture"), ("0.txt", b"a"), ("1.mp4", clip)]
    files += [("1.json", b"{}"), ("1.jpg", picture(1)), ("1.txt", b"b"), ("2.json", JSON), ("2.gif", picture(2))]
    path = write_tar(tmp_path / "a.tar", files)
    raw = path.read_bytes()
    looks = Looks(media=True, rules=MemberRules(media=media) if media else MemberRules())
    streamed = stream_samples(lambda offset, length: raw[offset : offset + length], len(raw), "a.tar", looks)
    assert streamed == read_samples(scan(path), str(path), looks)
    kinds = {row.key: row.facts.kind for row in streamed.rows}
    expected = {None: {"0": "video", "1": "video"}, "image": {"0": "image", "1": "image"}, "png,any": {"1": "video"}}
    assert {key: kind for key, kind in kinds.items() if key != "2"} == expected[media]
