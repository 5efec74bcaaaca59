"""What an index holds is decided by its looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_samples import read_samples
from tests.shards.dataset.tars.sampled import JSON, look, reasons
from tests.shards.foreign_tars import CLIP, picture, write_tar


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


def test_media_are_probed_and_their_key_frames_listed(tmp_path: Path) -> None:
    files = [("v.mp4", CLIP.read_bytes()), ("v.txt", b"x"), ("p.jpg", picture(0)), ("p.txt", b"x")]
    files += [("bad.mp4", b"no video"), ("bad.txt", b"x")]
    found = look(write_tar(tmp_path / "a.tar", files), Looks(media=True))
    video, image = found.rows
    assert video.facts.kind == "video" and video.facts.num_frames > 1 and video.key_frames is not None
    assert video.key_frames.frames[0] == 0 and video.key_frames.times[0] == pytest.approx(video.facts.start_time)
    assert image.facts.codec == "jpeg" and image.key_frames is not None and image.key_frames.frames == []
    assert "not a video" in reasons(found)["bad.mp4"]
