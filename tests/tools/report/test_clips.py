"""What is shown of a medium is made anew, small, and as fast as the medium."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest
from PIL import Image

from shards.base import MediaError
from shards.media import MediaFacts, pack_frames, probe_table
from tools.report.clips import SECONDS, show

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


@pytest.mark.parametrize("name", ["race_1906.ogv", "tree_hand.avi"])
def test_a_film_is_a_short_h264_with_its_picture(name: str) -> None:
    data = (SAMPLES / "videos" / name).read_bytes()
    facts, _ = probe_table(data, name)
    shown = show(data, facts)
    with av.open(io.BytesIO(shown.film)) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        seconds = float(stream.duration * stream.time_base)
        width, height = stream.codec_context.width, stream.codec_context.height
        assert sum(1 for _ in container.decode(video=0)) == stream.frames
    assert seconds == pytest.approx(min(SECONDS, facts.duration), rel=0.15)
    assert height <= 240 and width / height == pytest.approx(facts.width / facts.height, rel=0.02)
    assert Image.open(io.BytesIO(shown.picture)).size == (width, height)
    assert len(shown.film) < 150_000


def test_a_picture_is_a_small_jpeg() -> None:
    data = (SAMPLES / "images/sk_horse.png").read_bytes()
    shown = show(data, probe_table(data, "x.png")[0])
    assert shown.film == b"" and Image.open(io.BytesIO(shown.picture)).height == 280


def test_frames_that_stand_for_a_video_are_a_film() -> None:
    pictures = []
    for gray in (0, 120, 240):
        out = io.BytesIO()
        Image.new("RGB", (32, 32), (gray,) * 3).save(out, "JPEG")
        pictures.append(out.getvalue())
    data = pack_frames(pictures, "jpg", fps=1.0, duration=3.0, times=[0.0, 1.0, 2.0])
    shown = show(data, probe_table(data, "x.zip")[0])
    with av.open(io.BytesIO(shown.film)) as container:
        assert container.streams[0].frames == 3


def test_what_has_no_height_shows_nothing() -> None:
    assert show(b"features", MediaFacts("image", "rows", 8, 0, 1)) == (b"", b"")


def test_a_medium_that_does_not_decode_is_told() -> None:
    with pytest.raises(MediaError, match="not a picture"):
        show(b"no picture", MediaFacts("image", "png", 4, 4, 1))
