"""JPEGs without their end marker are decoded if all of their pixels are there."""

from __future__ import annotations

import io
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
from tests.shards.media.pictures.drawing import END, NOISY, PICTURE, pixels
from tests.shards.pictures import saved, shown

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
