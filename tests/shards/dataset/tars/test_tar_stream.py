"""A tar of a store is read once and gives the same samples."""

from __future__ import annotations

import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_header import TarError
from shards.dataset.tars.tar_samples import read_samples, stream_samples
from tests.shards.dataset.tars.sampled import JSON
from tests.shards.dataset.tars.test_tar_samples import names
from tests.shards.foreign_tars import CLIP, picture, write_tar


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
