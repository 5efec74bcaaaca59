"""Facts and GOP tables of videos agree with what is decoded (more: test_shown.py, test_timeline.py)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.stream import Disposition

from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from shards.media.facts import KeyFrames
from shards.media.partial import PartialMedium
from shards.media.probe import probe_table
from shards.media.videos.video_facts import STILL_BESIDE_FILM, frame_times, is_still_beside_film, probe_video
from tests.shards.bars import Take, film, numbers_of, remux, shown_by_ffmpeg, without_first
from tests.shards.foreign_tars import write_tar

H264 = Take("libx264", "mp4", "preset=ultrafast g=25 bf=2")


@pytest.mark.parametrize("cut", [0, 7])
def test_times_of_frames_are_those_of_the_frames_that_are_shown(cut: int) -> None:
    data = without_first(film(H264), "mp4", cut)
    times = frame_times(data)
    facts, table = probe_video(data)
    assert (facts, table) == probe_table(data, "x.mp4")
    assert len(times) == facts.num_frames == (75 if cut else 100)
    assert times == pytest.approx([facts.start_time + number / 25 for number in range(facts.num_frames)])
    assert [key.time for key in table] == pytest.approx([times[key.number] for key in table])


def slideshow(film_frames: int) -> bytes:
    """A Matroska file whose default track is a still, beside a track of so many frames."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        streams = [cast(av.VideoStream, container.add_stream("mpeg4", rate=25)) for _ in range(2)]
        for stream, disposition in zip(streams, (Disposition.default, Disposition(0)), strict=True):
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            stream.disposition = disposition
        for stream, count in zip(streams, (1, film_frames), strict=True):
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 9 * number, np.uint8), "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return out.getvalue()


def test_a_still_beside_a_track_that_moves_is_noted_in_the_report(tmp_path: Path) -> None:
    moves, alone = slideshow(12), film(Take("mpeg4", "mkv"), 1)
    assert is_still_beside_film(moves, probe_video(moves)[0])
    assert not is_still_beside_film(alone, probe_video(alone)[0])
    assert not is_still_beside_film(film(H264), probe_video(film(H264))[0])
    write_tar(tmp_path / "0.tar", [("0.mkv", moves), ("0.txt", b"a"), ("1.mkv", alone), ("1.txt", b"b")])
    assert index_tars(str(tmp_path), looks=Looks(media=True)).notes == {STILL_BESIDE_FILM: 1}


@pytest.mark.parametrize(("ext", "tick"), [("mp4", 512), ("mkv", 40)])
def test_a_frame_is_the_same_by_itself_where_stamps_are_in_the_order_of_storing(ext: str, tick: int) -> None:
    def stamp(place: int, packet: av.Packet) -> None:
        packet.pts = packet.dts = place * tick

    data = remux(film(H264._replace(ext=ext), 40), ext, change=stamp)
    table = KeyFrames.of(probe_video(data)[1]).without_marks()
    expected = shown_by_ffmpeg(data)
    assert expected == list(range(40)) == numbers_of(data, range(40))
    for number in expected:
        assert numbers_of(data, [number]) == numbers_of(PartialMedium.of_bytes(data, table), [number]) == [number]


def test_a_cut_off_file_counts_the_frames_before_the_cut() -> None:
    data = film(Take("libx264", "ts", "preset=ultrafast g=25 bf=2"))
    facts, _ = probe_video(data[: len(data) // 2])
    assert 20 < facts.num_frames < 80 and facts.duration == pytest.approx(facts.num_frames / 25, abs=0.15)
