"""Opening and demuxing a video: which stream is shown, and where its packets end."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from shards.base.errors import MediaError
from shards.media.probe import probe
from shards.media.videos.video import NotVideo, demux, open_video


@pytest.mark.parametrize(("default", "width"), [((), 32), ((0,), 32), ((1,), 48), ((0, 1), 32)])
def test_of_several_videos_the_default_one_is_taken(default: tuple[int, ...], width: int) -> None:
    import av
    from av.stream import Disposition

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska", options={"default_mode": "infer_no_subs"}) as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for number, (stream, side) in enumerate(zip(streams, (32, 48), strict=True)):
            stream.width, stream.height, stream.pix_fmt = side, 32, "yuv420p"
            stream.disposition = Disposition.default if number in default else Disposition(0)
        for _ in range(3):
            for stream in streams:
                frame = av.VideoFrame(stream.width, 32, "yuv420p")
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    assert probe(buffer.getvalue(), "x.mkv").width == width


def test_opening_without_a_probe_decodes_nothing(make_clip: Callable[..., bytes]) -> None:
    for probing, pixels in ((True, "yuv420p"), (False, None)):
        with open_video(make_clip(40), probe=probing) as (container, stream):
            assert stream.codec_context.pix_fmt == pixels
            assert sum(1 for _ in container.decode(stream)) == 40


def test_a_cover_picture_is_no_video() -> None:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = cover.disposition.attached_pic
        for packet in cover.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))):
            container.mux(packet)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        for packet in [*audio.encode(sound), *audio.encode(None)]:
            container.mux(packet)
    with pytest.raises(MediaError, match="no video stream"):
        probe(buffer.getvalue(), "x.mp4")


def test_streams_that_pyav_does_not_know_end_the_packets_without_an_error() -> None:
    class Container:
        def demux(self, stream: object) -> Iterator[str]:
            yield "packet"
            yield "flush"
            raise IndexError("list index out of range")

    assert list(demux(Container(), None)) == ["packet", "flush"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(200), "; it is a picture: name it .jpg"),
        (
            b"<html><body>404</body></html>",
            "; it is an HTML page: a server's answer or a failed download has taken the",
        ),
        (b"PK\3\4" + bytes(200), "; it is a zip archive: give the videos themselves"),
        (bytes(500), "; it is nothing but zero bytes: the download or copy stopped: fetch it again"),
        (b"\x1a\x45\xdf\xa3" + b"\xff" * 200, "; fetch it again"),
    ],
)
def test_what_is_named_as_a_video_and_is_none_is_told(data: bytes, advice: str) -> None:
    with pytest.raises(NotVideo, match=r"^not a video: ") as error, open_video(data):
        pass
    assert advice in error.value.advice and "it is" not in str(error.value)
    assert pickle.loads(pickle.dumps(error.value)).advice == error.value.advice
