"""Pictures: opened in one way, turned as they say, right in every form, or refused with the reason."""

from __future__ import annotations

import contextlib
import io
import random
import warnings
import zlib
from collections.abc import Callable

import av
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from shards.base.errors import MediaError
from shards.decode.dali.pictures import check_picture
from shards.decode.decoder import Unsuitable
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from tests.shards.pictures import (
    FFMPEG,
    FIELD,
    encoded,
    exif,
    oriented,
    png_chunk,
    saved,
    scene,
    shown,
    tiff,
    with_chunks,
    xmp,
)
from tools.media.profiles import VideoProfile
from tools.media.transcode import transcode

PICTURE = scene()
IMAGE = Image.fromarray(PICTURE)
GRAY = IMAGE.convert("L")
TIFFS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg", "lzma", "zstd")
FAX = ("raw", "group3", "group4", "packbits", "tiff_ccitt")
READ = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def _webp_xmp(n: int) -> bytes:
    return saved(IMAGE, "WEBP", lossless=True, xmp=xmp(n))


def _late_exif(n: int) -> bytes:
    return with_chunks(
        saved(IMAGE, "PNG"), png_chunk(b"eXIf", exif(n).tobytes().removeprefix(b"Exif\0\0")), behind=True
    )


def _png_xmp(n: int) -> bytes:
    return with_chunks(saved(IMAGE, "PNG"), png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(n)))


TURNED: dict[str, Callable[[int], bytes]] = {
    "jpeg": lambda n: saved(IMAGE, "JPEG", quality=95, subsampling=0, exif=exif(n)),
    "progressive": lambda n: saved(IMAGE, "JPEG", quality=95, subsampling=0, progressive=True, exif=exif(n)),
    "jpeg, xmp": lambda n: saved(IMAGE, "JPEG", quality=95, subsampling=0, xmp=xmp(n)),
    "png": lambda n: saved(IMAGE, "PNG", exif=exif(n)),
    "png, late": _late_exif,
    "png, xmp": _png_xmp,
    "webp": lambda n: saved(IMAGE, "WEBP", lossless=True, exif=exif(n)),
    "webp, lossy": lambda n: saved(IMAGE, "WEBP", quality=95, exif=exif(n)),
    "webp, xmp": _webp_xmp,
    "avif": lambda n: saved(IMAGE, "AVIF", quality=95, subsampling="4:4:4", exif=exif(n)),
    "tiff, xmp": lambda n: saved(IMAGE, "TIFF", tiffinfo={700: xmp(n)}),
    "tiff, big endian": lambda n: tiff(PICTURE, {274: (n,)}, ">"),
    "tiff, 16 bits": lambda n: tiff(PICTURE.astype(np.uint16) * 257, {274: (n,)}),
    "tiff, gray, 16 bits": lambda n: tiff(PICTURE[..., 0].astype(np.uint16) * 257, {274: (n,)}),
} | {f"tiff, {name}": lambda n, name=name: _tiff(name, n) for name in TIFFS}  # type: ignore[misc]


def _tiff(compression: str, orientation: int) -> bytes:
    quality = {"quality": 95} if compression == "jpeg" else {}
    return saved(IMAGE, "TIFF", compression=compression, tiffinfo={274: orientation}, **quality)


@pytest.mark.parametrize("form", TURNED)
def test_all_orientations_of_all_formats_are_shown_as_exif_defines_them(form: str) -> None:
    stored = np.repeat(PICTURE[..., :1], 3, axis=2) if "gray" in form else PICTURE
    for orientation in range(1, 9):
        data = TURNED[form](orientation)
        expected = oriented(stored, orientation).astype(int)
        height, width = expected.shape[:2]
        reference = saved(Image.fromarray(stored), "PNG", exif=exif(orientation))
        assert np.array_equal(ImageOps.exif_transpose(Image.open(io.BytesIO(reference))), expected)
        facts = probe(data, "x.jpg")
        assert (facts.height, facts.width) == (height, width), orientation
        assert np.abs(shown(data, height, width) - expected).mean() < 5, orientation
        made = transcode(data, "png", VideoProfile(short_side=20))
        small = np.asarray(Image.fromarray(expected.astype(np.uint8)).resize((made.facts.width, made.facts.height)))
        assert made.facts.width * height == pytest.approx(made.facts.height * width, rel=0.1)
        seen = shown(made.media, made.facts.height, made.facts.width)
        assert np.abs(seen - small).mean() < 8, orientation
        if orientation != 1 or "tiff" in form:
            with pytest.raises(Unsuitable):
                check_picture(data)


@pytest.mark.parametrize("compression", FAX)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_of_one_bit_are_turned_as_others(compression: str, orientation: int) -> None:
    stored = np.where(PICTURE[..., :1] > 100, 255, 0).astype(np.uint8).repeat(3, axis=2)
    data = saved(Image.fromarray(stored).convert("1"), "TIFF", compression=compression, tiffinfo={274: orientation})
    expected = oriented(stored, orientation)
    facts = probe(data, "x.tif")
    assert (facts.height, facts.width) == expected.shape[:2]
    assert np.array_equal(shown(data, *expected.shape[:2]), expected)


def test_the_turned_twin_of_a_jpeg_is_shown_as_it_is() -> None:
    twins = [(FIELD / name).read_bytes() for name in ("or6.jpg", "or6.tif")]
    assert [(probe(data, "x.tif").width, probe(data, "x.tif").height) for data in twins] == [(60, 100)] * 2
    one, other = (shown(data, 100, 60) for data in twins)
    assert np.abs(one - other).mean() < 6


def test_exif_that_cannot_be_read_costs_no_picture() -> None:
    for broken in (
        b"Exif\0\0nonsense",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(8),
    ):
        for form in ("JPEG", "PNG", "WEBP"):
            data = saved(IMAGE, form, exif=b"Exif\0\0" + broken)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert probe(data, "x.jpg").width == 40
                assert shown(data, 24, 40).shape == (24, 40, 3)


# ------------------------------------------------------------ what is bounded


def _big() -> dict[str, bytes]:
    noise = np.random.default_rng(0).bytes(3 << 20)
    text = b"Comment\0" + b"x" * (3 << 20)
    packed = zlib.compress(b"x" * (3 << 20))
    png = saved(IMAGE, "PNG")
    return {
        "png, tEXt": with_chunks(png, png_chunk(b"tEXt", text)),
        "png, zTXt": with_chunks(png, png_chunk(b"zTXt", b"Comment\0\0" + packed)),
        "png, iTXt": with_chunks(png, png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + packed)),
        "png, iTXt behind": with_chunks(png, png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + packed), behind=True),
        "png, XMP": with_chunks(png, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed)),
        "png, iCCP": saved(IMAGE, "PNG", icc_profile=bytes(3 << 20)),
        "png, texts": with_chunks(png, *[png_chunk(b"zTXt", b"k%d\0\0" % n + packed[:3000]) for n in range(50)]),
        "png, chunks": with_chunks(png, *[png_chunk(b"tEXt", b"k%d\0v" % n) for n in range(30_000)]),
        "png, eXIf": with_chunks(png, png_chunk(b"eXIf", exif(1).tobytes()[6:] + bytes(3 << 20))),
        "jpeg, ICC": saved(IMAGE, "JPEG", quality=95, subsampling=0, icc_profile=noise),
        "jpeg, comment": saved(IMAGE, "JPEG", quality=95, subsampling=0, comment=noise[:65_000]),
        "webp, EXIF": saved(IMAGE, "WEBP", lossless=True, exif=exif(1).tobytes() + noise),
        "webp, ICC": saved(IMAGE, "WEBP", lossless=True, icc_profile=noise),
        "tiff, ICC": saved(IMAGE, "TIFF", icc_profile=noise),
        "gif, comment": saved(IMAGE.quantize(256), "GIF", comment=noise),
        "avif, EXIF": saved(IMAGE, "AVIF", quality=95, subsampling="4:4:4", exif=exif(1).tobytes() + noise),
    }


def test_texts_profiles_and_exif_of_any_size_cost_no_picture() -> None:
    for name, data in _big().items():
        assert probe(data, "x.png").width == 40, name
        assert np.abs(shown(data, 24, 40) - PICTURE).mean() < 6, name
    assert probe((FIELD / "bigtext.png").read_bytes(), "x.png").width == 100


def test_a_turn_stays_beside_texts_that_are_too_large() -> None:
    packed = zlib.compress(bytes(3 << 20))
    data = with_chunks(_png_xmp(6), png_chunk(b"zTXt", b"Comment\0\0" + packed))
    assert np.array_equal(shown(data, 40, 24), oriented(PICTURE, 6))


# ------------------------------------------------------------ what probing accepts is decoded


MODES = (
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBX",
    "RGBa",
    "La",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "I;16",
    "F",
)


def _in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(np.asarray(GRAY).astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(np.asarray(GRAY).astype(np.float32) / 255)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        changed = ImageCms.profileToProfile(IMAGE, *profiles, outputMode="LAB")
        assert changed is not None
        return changed
    through = {"PA": "P", "RGBa": "RGBA", "La": "LA"}.get(mode)
    return (IMAGE.convert(through) if through else IMAGE).convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_what_pillow_writes_is_shown_right_or_named(mode: str) -> None:
    image = _in_mode(mode)
    gray = np.asarray(GRAY.convert("RGB")).astype(int)
    seen = set()
    for form in sorted(Image.SAVE):
        try:
            data = saved(image, form)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SystemError):
            continue  # Pillow cannot write this mode so
        try:
            facts = probe(data, "x.jpg")
        except MediaError as error:
            assert form not in READ or (mode, form) in (("I", "TIFF"), ("F", "TIFF")), (form, error)
            with pytest.raises(MediaError):
                shown(data, 24, 40)
            continue
        seen.add(form)
        assert (facts.width, facts.height) == (40, 24) and form in (*READ, "MPO"), form
        pixels = shown(data, 24, 40)
        if mode in ("I", "I;16", "F") and form not in ("PNG", "TIFF"):
            continue  # Pillow itself cuts the numbers off when it writes these
        if mode == "1":
            expected, near = np.asarray(image.convert("RGB")).astype(int), 12
        else:
            expected = gray if mode in ("L", "LA", "La", "I", "I;16", "F") else PICTURE.astype(int)
            near = 24 if mode in ("P", "PA") or form == "GIF" else 6
        assert np.abs(pixels - expected).mean() < near, form
        made = transcode(data, "png", VideoProfile(short_side=16))
        assert (made.facts.width, made.facts.height) == (27, 16) or made.media == data
    assert seen or mode == "La"


REFUSED = {("bmp", "rgb444le"), ("tiff", "ya16le")}
"""Beside what is of another format: what Pillow does not take of those read here."""


@pytest.mark.parametrize(("codec", "pixels"), [(codec, pixels) for codec, all_ in FFMPEG.items() for pixels in all_])
def test_what_ffmpeg_writes_is_shown_right_or_named(codec: str, pixels: str) -> None:
    data = encoded(codec, pixels, PICTURE)
    if codec not in ("png", "bmp", "tiff", "mjpeg", "gif", "libwebp") or (codec, pixels) in REFUSED:
        known = (codec, pixels) in REFUSED or codec == "ljpeg"
        reason = "not read here|Unsupported|lossless" if known else "; convert it to JPEG, PNG, WebP or AVIF$"
        for look in (lambda: probe(data, "x.jpg"), lambda: shown(data, 24, 40)):
            with pytest.raises(MediaError, match=reason):
                look()
        return
    assert probe(data, "x.jpg").width == 40
    is_gray = pixels.startswith(("gray", "ya", "mono"))
    expected = np.asarray(GRAY.convert("RGB")) if is_gray else PICTURE
    error = np.abs(shown(data, 24, 40) - expected)
    few = pixels in ("rgb8", "rgb4_byte", "bgr4_byte", "monob", "monow")  # dithered: right on average
    assert error.mean() < (130 if few else 6)
    if few:
        assert np.abs(shown(data, 24, 40).mean(axis=(0, 1)) - expected.mean(axis=(0, 1))).max() < 12


def _contained(form: str, codec: str, pixels: str, num_frames: int) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, pixels
        stream.codec_context.thread_count = 1
        for number in range(num_frames):
            picture = scene(64, 96) if number == 0 else 255 - scene(64, 96)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize("num_frames", [1, 3])
@pytest.mark.parametrize(
    ("form", "codec", "pixels"),
    [
        ("avif", "libsvtav1", "yuv420p"),
        ("avif", "libsvtav1", "yuv420p10le"),
        ("apng", "apng", "rgb24"),
        ("apng", "apng", "rgba"),
        ("apng", "apng", "rgb48be"),
        ("webp", "libwebp_anim", "bgra"),
    ],
)
def test_animations_of_ffmpeg_are_shown_by_their_first_frame(
    form: str, codec: str, pixels: str, num_frames: int
) -> None:
    data = _contained(form, codec, pixels, num_frames)
    facts = probe(data, "x.jpg")
    assert (facts.width, facts.height, facts.num_frames) == (96, 64, 1)
    assert np.abs(shown(data, 64, 96) - scene(64, 96)).mean() < 6


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "AVIF", "TIFF"])
def test_of_several_pictures_the_first_is_shown(form: str) -> None:
    other = Image.fromarray(255 - PICTURE)
    first = IMAGE.quantize(256) if form == "GIF" else IMAGE
    data = saved(first, form, save_all=True, append_images=[other])
    assert probe(data, "x.png").num_frames == 1
    assert np.abs(shown(data, 24, 40) - PICTURE).mean() < 8
    with pytest.raises(Unsuitable):
        check_picture(data)


# ------------------------------------------------------------ by another name


def test_an_avif_is_decoded_under_any_name() -> None:
    data = (FIELD / "avif_named.jpg").read_bytes()
    for name in ("x.jpg", "x.avif", "x.png"):
        facts = probe(data, name)
        assert (facts.codec, facts.width, facts.height) == ("avif", 100, 60)


def test_a_vector_picture_that_could_run_a_program_is_refused() -> None:
    with pytest.raises(MediaError, match="not a picture that is read here but a PostScript file; convert it to"):
        probe(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "x.jpg")


def test_a_plan_of_a_picture_is_met_whatever_its_form() -> None:
    plan = ClipPlan((0,), (12, 20), (2, 3, 8, 10), True)
    from shards.decode.cpu import decode

    for data in (saved(IMAGE, "AVIF"), tiff(PICTURE, {274: (3,)})):
        assert decode(data, "image", plan).shape == (1, 8, 10, 3)


def test_damage_of_any_kind_is_a_reason_and_what_is_probed_is_decoded() -> None:
    rng = random.Random(6)
    files = [make(6) for make in TURNED.values()] + [
        saved(IMAGE.convert("1"), "TIFF", compression="group4"),
        saved(IMAGE.convert("CMYK"), "JPEG"),
        saved(IMAGE.quantize(16), "GIF"),
        saved(IMAGE.quantize(16), "PNG", transparency=3),
        saved(IMAGE, "BMP"),
        saved(IMAGE, "JPEG", progressive=True)[:-2],
    ]
    outcomes = {"shown": 0, "refused": 0}
    for _ in range(1500):
        data = bytearray(rng.choice(files))
        for _ in range(rng.choice([1, 2, 5, 30])):
            at = rng.randrange(min(len(data), rng.choice([60, 300, len(data)])))
            data[at] = rng.choice([0, 255, rng.randrange(256), data[at] ^ 1 << rng.randrange(8)])
        cut = bytes(data[: rng.randrange(1, len(data))] if rng.random() < 0.3 else data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                facts = probe(cut, "x.jpg")
            except MediaError:
                outcomes["refused"] += 1
            else:
                assert shown(cut, min(facts.height, 40), min(facts.width, 40)).size
                outcomes["shown"] += 1
            with contextlib.suppress(Unsuitable):
                check_picture(cut)
    assert min(outcomes.values()) > 100
