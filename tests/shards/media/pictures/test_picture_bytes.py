"""Picture files without their end: decoded where no pixel is missing, refused where one is."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shards.base.errors import MediaError
from shards.media.pictures.picture_bytes import mended
from shards.media.probe import probe
from tests.shards.pictures import saved, scene, shown

END = b"\xff\xd9"
PICTURE = scene(64, 96)
NOISY = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
FORMS: dict[str, dict[str, object]] = {
    "baseline": {},
    "444": {"subsampling": 0, "quality": 100},
    "low": {"quality": 20},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 1},
    "rows": {"restart_marker_rows": 1, "progressive": True},
    "thumbnail": {"exif": b"Exif\0\0" + saved(Image.fromarray(PICTURE[:8, :8]), "JPEG")},
}
PICTURES = {"smooth": PICTURE, "noisy": NOISY, "flat": np.full_like(PICTURE, 128)}


def jpegs() -> Iterator[tuple[str, bytes]]:
    for form, options in FORMS.items():
        for name, picture in PICTURES.items():
            yield f"{form}, {name}", saved(Image.fromarray(picture), "JPEG", **options)
        yield f"{form}, gray", saved(Image.fromarray(PICTURE[..., 0]), "JPEG", **options)


JPEGS = dict(jpegs())


def pixels(data: bytes) -> np.ndarray:
    return shown(data, 64, 96)


@pytest.mark.parametrize("form", JPEGS)
def test_a_jpeg_without_its_end_marker_is_decoded(form: str) -> None:
    whole = JPEGS[form]
    assert mended(whole) is whole
    expected = pixels(whole)
    assert whole.endswith(END)
    for behind in (b"", b"\xff", bytes(1), bytes(5000), b"\xff" * 9, b"\xff\xff\0\0"):
        data = whole[:-2] + behind
        if whole.endswith(b"\0" + END) and b"\0" in behind and "optimised" not in form:
            with pytest.raises(MediaError, match="ends before its pixels do"):
                probe(data, "x.jpg")  # where its data ends and the zeros begin cannot be told
            continue
        assert probe(data, "x.jpg").width == 96
        assert np.array_equal(pixels(data), expected), behind


@pytest.mark.parametrize("form", JPEGS)
def test_what_stands_behind_the_end_marker_is_no_matter(form: str) -> None:
    whole = JPEGS[form]
    for behind in (bytes(3000), b"<html>", whole, whole[:-2], b"\xff\xda\xff\xd8", b"\xff"):
        assert np.array_equal(pixels(whole + behind), pixels(whole))


@pytest.mark.parametrize("form", JPEGS)
def test_a_jpeg_that_is_short_is_refused_whatever_fills_it_up(form: str) -> None:
    whole = JPEGS[form]
    after_thumbnail = whole.index(END) if "thumbnail" in form else 0
    scan = whole.index(b"\xff\xda", after_thumbnail)
    length = len(whole) - scan
    expected = pixels(whole)
    cuts = {scan + length * part // 10 for part in range(1, 10)} | {len(whole) - k for k in (3, 4, 5, 6, 8, 12)}
    for cut in sorted(cuts):
        for fill in (b"", bytes(len(whole) - cut), bytes(20_000), b"\xff" * 50):
            try:
                found = pixels(whole[:cut] + fill)
            except MediaError as error:
                assert "damaged" in str(error)
            else:
                # All that is missing says what any continuation would: nothing else can be shown.
                assert np.array_equal(found, expected), (cut, fill[:1])
    if "flat" not in form:
        for fill in (b"", bytes(20_000)):
            with pytest.raises(MediaError, match="damaged"):
                probe(whole[: scan + length // 2] + fill, "x.jpg")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_jpeg_is_shown_with_pixels_that_were_not_in_it(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted(JPEGS)))
    whole = JPEGS[form]
    cut = data.draw(st.integers(len(whole) // 3, len(whole)))
    fill = data.draw(st.sampled_from([b"", b"\0", b"\0\0\0", bytes(30_000), b"\xff\xff", b"\xff\xd8\xff", b"\xff\xfe"]))
    try:
        found = pixels(whole[:cut] + fill)
    except MediaError:
        return
    assert np.array_equal(found, pixels(whole))


def test_a_jpeg_that_lost_its_last_bits_is_refused() -> None:
    random = np.random.default_rng(1)
    for number in range(60):
        stored = random.normal(128, 5 + 40 * (number % 3), (48, 64, 3)).clip(0, 255).astype(np.uint8)
        quality = int(random.integers(10, 96))
        whole = saved(Image.fromarray(stored), "JPEG", quality=quality, subsampling=number % 2)
        for lost in (3, 4, 5):
            try:
                found = shown(whole[:-lost], 48, 64)
            except MediaError:
                continue
            assert (found == shown(whole, 48, 64)).all(), (number, lost)


def test_a_progressive_jpeg_that_lacks_whole_scans_is_refused() -> None:
    whole = JPEGS["progressive, smooth"]
    starts = [at for at in range(len(whole)) if whole.startswith(b"\xff\xda", at)]
    assert len(starts) > 3
    for start in starts[1:]:
        tables = whole.rfind(b"\xff\xc4", 0, start)
        for cut in (start, tables):
            with pytest.raises(MediaError, match="damaged"):
                probe(whole[:cut], "x.jpg")


def test_a_png_without_its_end_is_decoded_and_one_without_pixels_is_not() -> None:
    whole = saved(Image.fromarray(PICTURE), "PNG")
    expected = pixels(whole)
    for cut in (1, 4, 8, 12, 16):
        assert np.array_equal(pixels(whole[:-cut]), expected), cut
    for cut in range(1, len(whole) - 60, 37):
        try:
            found = pixels(whole[:-cut])
        except MediaError:
            continue
        assert np.array_equal(found, expected), cut
    with pytest.raises(MediaError, match="damaged"):
        probe(whole[: len(whole) // 2], "x.png")


def test_a_gif_without_its_trailer_is_decoded() -> None:
    whole = saved(Image.fromarray(PICTURE).quantize(64), "GIF")
    for cut in (1, 2):
        assert np.array_equal(pixels(whole[:-cut]), pixels(whole))
    with pytest.raises(MediaError, match="truncated"):
        probe(whole[: len(whole) // 2], "x.jpg")


def webps() -> dict[str, bytes]:
    image = Image.fromarray(PICTURE)
    found = {}
    for quality in range(60, 80):  # of both parities
        found[f"lossy {quality}"] = saved(image, "WEBP", quality=quality)
    found["lossless"] = saved(image, "WEBP", lossless=True)
    found["extended"] = saved(image, "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", icc_profile=b"x" * 101)
    found["alpha"] = saved(image.convert("RGBA"), "WEBP", exact=True)
    return found


@pytest.mark.parametrize("form", webps())
def test_a_webp_that_tells_a_wrong_size_is_decoded_if_its_pixels_are_there(form: str) -> None:
    whole = webps()[form]
    assert mended(whole) is whole
    expected = pixels(whole)
    for told in (0, 1, 20, len(whole) - 10, len(whole), len(whole) + 7, 2**31, 2**32 - 1):
        data = whole[:4] + struct.pack("<I", told) + whole[8:]
        assert np.array_equal(pixels(data), expected), told
        assert np.array_equal(pixels(data + b"<html>"), expected), told
    assert np.array_equal(pixels(whole + bytes(100)), expected)
    kind, size = struct.unpack_from("<4sI", whole, 12)
    if kind == b"VP8 " and 20 + size < len(whole):
        assert np.array_equal(pixels(whole[:-1]), expected), "only the byte that fills it up is missing"
    for cut in (3, 10, len(whole) // 2):
        if form != "extended" or cut > 10:
            with pytest.raises(MediaError):
                probe(whole[:-cut], "x.webp")


def test_texts_leave_a_png_and_nothing_else_does(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Title", "a", zip=True)
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    data = saved(Image.fromarray(PICTURE), "PNG", pnginfo=info, icc_profile=b"x" * 200, dpi=(72, 72))
    left = mended(data)
    assert b"zTXt" not in left and b"iCCP" not in left and b"XML:com.adobe.xmp" in left and b"pHYs" in left
    assert mended(left) is left
    with Image.open(io.BytesIO(left)) as image:
        image.verify()


def test_real_jpegs_are_decoded_without_their_end_marker(corpus: Path) -> None:
    paths = sorted((corpus / "images").glob("*.jpg"))[:12]
    for path in paths:
        whole = path.read_bytes()
        if not whole.endswith(END):
            continue
        with Image.open(io.BytesIO(whole)) as image:
            width, height = image.size
        assert np.array_equal(shown(whole[:-2], height, width), shown(whole, height, width)), path.name
        with pytest.raises(MediaError):
            shown(whole[: -len(whole) // 4], height, width)
