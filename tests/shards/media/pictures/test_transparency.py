"""What is transparent in a video is white, as it is in a picture, however it is stored and whatever is made of it."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from tools.media.profiles import VideoProfile
from tools.media.transcode import transcode

HEIGHT, WIDTH = 32, 48
PLAN = ClipPlan((0, 2), (HEIGHT, WIDTH), (0, 0, HEIGHT, WIDTH))


def drawing(number: int) -> np.ndarray:
    """Left: transparent black. Middle: half transparent red. Right: blue."""
    frame = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    frame[:, 16:32] = (255, 0, 0, 128)
    frame[:, 32:] = (0, 0, 255 - number, 255)
    return frame


def film(codec: str, pixels: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.mov")
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
            for number in range(3):
                frame = av.VideoFrame.from_ndarray(drawing(number), "rgba")
                container.mux(stream.encode(frame.reformat(format=pixels)))
            container.mux(stream.encode(None))
        return path.read_bytes()


def gif() -> bytes:
    frames = [Image.fromarray(drawing(20 * number)) for number in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    return out.getvalue()


@pytest.mark.parametrize(
    ("codec", "pixels"), [("png", "rgba"), ("qtrle", "argb"), ("prores_ks", "yuva444p10le"), ("gif", "")]
)
def test_what_is_transparent_is_white(codec: str, pixels: str) -> None:
    data, ext = (gif(), "gif") if codec == "gif" else (film(codec, pixels), "mov")
    made = transcode(data, ext, VideoProfile(short_side=32, quality=5))
    for media in (data, made.media):
        for frame in decode(media, "video", PLAN):
            assert np.abs(frame[8:24, 4:12].mean(axis=(0, 1)) - 255).max() < 8, frame[8:24, 4:12].mean(axis=(0, 1))
            assert np.abs(frame[8:24, 36:44].mean(axis=(0, 1)) - [0, 0, 245]).max() < 40
            if codec != "gif":  # which knows no half
                assert np.abs(frame[8:24, 20:28].mean(axis=(0, 1)) - [255, 127, 127]).max() < 12


def test_a_still_and_an_animated_gif_are_shown_over_the_same() -> None:
    still = io.BytesIO()
    Image.fromarray(drawing(0)).save(still, "GIF")
    picture = decode(still.getvalue(), "image", ClipPlan((0,), (HEIGHT, WIDTH), (0, 0, HEIGHT, WIDTH)))[0]
    moving = decode(gif(), "video", PLAN)[0]
    assert np.abs(picture[8:24, 4:12].astype(int) - moving[8:24, 4:12]).max() < 3
