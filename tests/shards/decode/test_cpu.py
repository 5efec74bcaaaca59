"""The CPU decoder gives exactly the planned frames, upright, or a MediaError with both numbers."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shards.base.errors import MediaError
from shards.decode.cpu import DECODERS, decode
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.media.kinds import KINDS
from shards.media.probe import probe
from shards.media.videos.video import demux, open_video
from tests.shards.films import OTHERS, shoot

REPOSITORY = Path(__file__).resolve().parents[3]
MEDIA = sorted(path for kind in ("videos", "images") for path in (REPOSITORY / "samples" / kind).glob("*.*"))
SIZE = (64, 96)


def whole(*frames: int, size: tuple[int, int] = SIZE, flip: bool = False) -> ClipPlan:
    return ClipPlan(frames, size, (0, 0, *size), flip)


def as_file(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


# ------------------------------------------------------------ video


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "libvpx", "mjpeg"])
def test_frames_come_by_number_in_any_order_repeated_or_not(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int], codec: str
) -> None:
    frames = (37, 0, 12, 12, 39, 1, 0)
    clip = decode(make_clip(40, SIZE, codec), "video", whole(*frames))
    assert clip.shape == (7, *SIZE, 3) and clip.dtype == np.uint8 and clip.flags.c_contiguous
    assert tuple(map(read_number, clip)) == frames


@settings(max_examples=25)
@given(frames=st.lists(st.integers(0, 39), min_size=1, max_size=6))
def test_any_plan_inside_the_video_is_met(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int], frames: list[int]
) -> None:
    assert list(map(read_number, decode(make_clip(40), "video", whole(*frames)))) == frames


def test_threads_that_are_the_first_to_need_ffmpeg_may_come_at_once() -> None:
    code = """
import sys, threading
from shards.media.clip_plan import ClipPlan
from shards.decode.cpu import DECODERS, decode
from shards.media.videos.video import video_errors; from shards.base.errors import MediaError
together, done = threading.Barrier(2), []
def begin_to_decode():
    together.wait()
    try:
        decode(b"no video", "video", ClipPlan((0,), (2, 2), (0, 0, 2, 2), False))
    except MediaError:
        done.append("decode")
def begin_to_open():
    together.wait()
    with video_errors("x"):
        done.append("open")
threads = [threading.Thread(target=work) for work in (begin_to_decode, begin_to_open)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(len(done) != 2)
"""
    for _ in range(3):  # they meet in the middle of importing av, which goes wrong where one began with a module of it
        run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr


def test_scaling_keeps_the_picture(make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int]) -> None:
    for size in ((32, 48), (128, 192), (50, 50)):
        clip = decode(make_clip(40), "video", whole(5, 21, size=size))
        assert clip.shape == (2, *size, 3) and list(map(read_number, clip)) == [5, 21]
    assert np.abs(clip[0, 30:, :].mean(axis=(0, 1)) - [200, 0, 0]).max() < 12  # the lower half is red


def test_crop_and_flip_are_those_of_the_resized_frame(make_clip: Callable[..., bytes]) -> None:
    media = make_clip(40)
    full = decode(media, "video", whole(21))
    plan = ClipPlan((21,), SIZE, (10, 20, 30, 40), False)
    assert np.array_equal(decode(media, "video", plan), full[:, 10:40, 20:60])
    plan = ClipPlan((21,), SIZE, (10, 20, 30, 40), True)
    assert np.array_equal(decode(media, "video", plan), full[:, 10:40, 20:60][:, :, ::-1])


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_the_display_rotation_is_applied(make_clip: Callable[..., bytes], rotation: int) -> None:
    plain = decode(make_clip(3), "video", whole(2))[0]
    upright = np.rot90(plain, rotation // 90)
    turned = decode(make_clip(3, rotation=rotation), "video", whole(2, size=upright.shape[:2]))[0]
    assert np.abs(turned.astype(int) - upright).mean() < 1


def with_matrix(mp4: bytes, *matrix: int) -> bytes:
    """The same video whose display matrix takes one pixel to the right to (a, b) and one down to (c, d)."""
    a, b, c, d = (value << 16 for value in matrix)
    at = mp4.index(b"tkhd") + 44
    return mp4[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + mp4[at + 36 :]


@pytest.mark.parametrize(
    ("turns", "matrix"), [(0, (-1, 0, 0, 1)), (1, (0, 1, 1, 0)), (2, (1, 0, 0, -1)), (3, (0, -1, -1, 0))]
)
def test_a_mirrored_display_matrix_is_applied(
    make_clip: Callable[..., bytes], turns: int, matrix: tuple[int, ...]
) -> None:
    plain = decode(make_clip(3), "video", whole(2))[0]
    expected = np.rot90(plain[:, ::-1], turns)
    clip = decode(with_matrix(make_clip(3), *matrix), "video", whole(2, size=expected.shape[:2]))
    assert np.array_equal(clip[0], expected)


@pytest.mark.parametrize("form", ["mjpeg", "h264"])
def test_decoding_stops_at_the_last_planned_frame(make_clip: Callable[..., bytes], form: str) -> None:
    data = make_clip(200, SIZE, "mjpeg") if form == "mjpeg" else shoot(OTHERS["fragments"], 200)
    damaged = bytearray(data)
    with open_video(data) as (container, stream):
        packets = [(packet.pos, packet.size) for packet in demux(container, stream) if packet.size]
    for pos, size in packets[19:]:
        damaged[pos : pos + size] = b"\xff" * size
    assert np.array_equal(decode(bytes(damaged), "video", whole(0, 5)), decode(data, "video", whole(0, 5)))
    with pytest.raises(MediaError, match="frame 150 was planned but decoding fails after 1"):
        decode(bytes(damaged), "video", whole(0, 150))


def test_a_frame_behind_the_end_names_both_numbers(make_clip: Callable[..., bytes]) -> None:
    with pytest.raises(
        MediaError, match=r"^frame 57 was planned but the stream ends after 18 frames \(header said 18\)$"
    ):
        decode(make_clip(18), "video", whole(3, 57))


@pytest.mark.parametrize(("header", "tolerated"), [(20, 2), (100, 2), (200, 4)])
def test_the_last_frame_stands_in_for_the_few_that_a_container_promised_too_much(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int], header: int, tolerated: int
) -> None:
    def promising(num_frames: int) -> bytes:
        """An AVI file of so many frames whose header says more."""
        avi = bytearray(make_clip(num_frames, SIZE, "mjpeg"))
        length = avi.index(b"strh") + 8 + 32
        assert struct.unpack_from("<I", avi, length) == (num_frames,)
        struct.pack_into("<I", avi, length, header)
        return bytes(avi)

    last = header - 1
    clip = decode(promising(header - tolerated), "video", whole(0, last))
    assert list(map(read_number, clip)) == [0, header - tolerated - 1]
    short = header - tolerated - 1
    with pytest.raises(
        MediaError, match=rf"frame {last} was planned but the stream ends after {short} frames \(header said {header}\)"
    ):
        decode(promising(short), "video", whole(0, last))


def test_a_damaged_stream_gives_frames_before_the_damage_and_media_error_behind_it(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int]
) -> None:
    whole_file = make_clip(120, (96, 128), "libvpx")
    media = bytearray(whole_file)
    middle = len(media) * 3 // 5
    media[middle:] = np.random.default_rng(0).bytes(len(media) - middle)
    assert list(map(read_number, decode(bytes(media), "video", whole(0, 5, size=(96, 128))))) == [0, 5]
    with pytest.raises(MediaError, match="frame 119 was planned but"):
        decode(bytes(media), "video", whole(0, 119, size=(96, 128)))


def test_threads_decode_side_by_side_and_alike(make_clip: Callable[..., bytes]) -> None:
    media = make_clip(40)
    expected = decode(media, "video", whole(3, 30))
    with ThreadPoolExecutor(8) as pool:
        clips = list(pool.map(lambda _: decode(media, "video", whole(3, 30)), range(40)))
    assert all(np.array_equal(clip, expected) for clip in clips)


@pytest.mark.parametrize("kind", ["video", "image"])
@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 5000, b"<html>" * 100])
def test_bytes_that_are_no_medium_are_media_errors(kind: str, data: bytes) -> None:
    with pytest.raises(MediaError, match=r"not a (video|picture)"):
        decode(data, kind, whole(0))


@pytest.mark.parametrize(
    ("kind", "frames", "message"),
    [
        ("audio", (0,), "no decoder for media of kind 'audio'; known: video, image, frames, stored"),
        ("video", (), "asks for no frame"),
        ("video", (-1,), "asks for frame -1"),
        ("image", (1,), "a picture has frame 0 only"),
    ],
)
def test_plans_that_cannot_be_are_mistakes_of_the_caller(kind: str, frames: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message) as info:
        decode(b"x", kind, whole(*frames))
    assert not isinstance(info.value, MediaError)


# ------------------------------------------------------------ pictures


def still(mode: str = "RGB") -> Image.Image:
    """40 wide, 20 high: left half (200, 40, 40), right half (40, 40, 200)."""
    image = Image.new("RGB", (40, 20), (200, 40, 40))
    image.paste((40, 40, 200), (20, 0, 40, 20))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "PNG"),
        ("RGB", "JPEG"),
        ("RGB", "WEBP"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("RGBA", "PNG"),
        ("YCbCr", "TIFF"),
    ],
)
def test_pictures_of_every_mode_become_rgb(mode: str, form: str) -> None:
    clip = decode(as_file(still(mode), form), "image", whole(0, 0, 0, size=(20, 40)))
    assert clip.shape == (3, 20, 40, 3) and clip.flags.c_contiguous and clip.dtype == np.uint8
    assert np.abs(clip[0, 5:15, 5:15].mean(axis=(0, 1)) - [200, 40, 40]).max() < 16
    assert np.abs(clip[2, 5:15, 25:35].mean(axis=(0, 1)) - [40, 40, 200]).max() < 16


@pytest.mark.parametrize(
    ("mode", "form"), [("L", "JPEG"), ("L", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("I;16", "PNG"), ("I;16", "TIFF")]
)
def test_gray_pictures_become_gray_rgb(mode: str, form: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 40), 51_400, np.uint16))
    else:
        image = Image.new("L", (40, 20), 200 if mode != "1" else 255).convert(mode)
    clip = decode(as_file(image, form), "image", whole(0, size=(10, 10)))
    assert np.abs(clip.astype(int) - (255 if mode == "1" else 200)).max() <= 2


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_of_sixteen_bits_the_upper_eight_are_shown(colour_type: int, channels: int) -> None:
    row = b"\0" + struct.pack(">H", 51_400) * (8 * channels)  # 200 * 257; nearly opaque where there is an alpha
    head = struct.pack(">IIBBBBB", 8, 8, 16, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(8 * row)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    expected = 200 if channels in (1, 3) else round(255 - 55 * 200 / 255)  # on white
    clip = decode(data, "image", whole(0, size=(8, 8)))
    assert np.abs(clip.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    if mode == "P":
        image = Image.new("P", (20, 20), 3)
        image.putpalette([10, 20, 30] * 4)
        data = as_file(image, transparency=3)
    else:
        data = as_file(image.convert(mode))
    assert (decode(data, "image", whole(0, size=(8, 8))) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = as_file(still(), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(decode(data, "image", whole(0, size=expected.shape[:2]))[0], expected)
    facts = probe(data, "x.png")
    assert (facts.height, facts.width) == expected.shape[:2]


def test_an_animated_picture_gives_its_first_frame() -> None:
    data = as_file(still(), "WEBP", save_all=True, append_images=[Image.new("RGB", (40, 20))], lossless=True)
    assert np.array_equal(decode(data, "image", whole(0, size=(20, 40)))[0], np.asarray(still()))


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).resize((3200, 2400), Image.Resampling.BICUBIC)
    data = as_file(smooth, "JPEG", quality=95)
    clip = decode(data, "image", whole(0, size=(96, 128)))[0]
    expected = np.asarray(smooth.resize((128, 96), Image.Resampling.BICUBIC))
    assert np.abs(clip.astype(int) - expected).mean() < 2


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(MediaError, match="9000x9000 pixels are too many"):
        decode(as_file(Image.new("1", (9000, 9000))), "image", whole(0))


# ------------------------------------------------------------ real files


@pytest.mark.skipif(not MEDIA, reason="samples is empty")
def test_plans_made_from_facts_are_met_on_real_files() -> None:
    config = ClipConfig(num_frames=4, size=56, fit="random_crop", resize=64, sampling="random", flip=0.5)
    for i, path in enumerate(MEDIA[:: max(1, len(MEDIA) // 12)]):
        data = path.read_bytes()
        facts = probe(data, path.name)
        clip = decode(data, facts.kind, plan_clip(facts, config, np.random.default_rng(i)))
        assert clip.shape == (4, 56, 56, 3) and clip.std() > 1, path.name


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", ["videos", "images"])
def test_every_file_of_the_corpus_is_decoded(corpus: Path, folder: str) -> None:
    paths = sorted((corpus / folder).rglob("*.*"))
    assert len(paths) >= 167
    config = ClipConfig(num_frames=4, size=64, fit="center_crop")
    for path in paths:
        data = path.read_bytes()
        facts = probe(data, path.name)
        clip = decode(data, facts.kind, plan_clip(facts, config, np.random.default_rng(0)))
        assert clip.shape == (4, 64, 64, 3), path.name


def test_every_kind_of_medium_has_a_decoder() -> None:
    assert DECODERS.keys() == KINDS.keys()
