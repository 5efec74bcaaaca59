"""Bicubic scaling: the pixels of Pillow, bit for bit, by the compiled helper and without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from shards.decode.bicubic import Box, Part, Size, scale, scaled

SIDES = st.integers(1, 150)


def picture(height: int, width: int, *, extremes: bool = False) -> NDArray[np.uint8]:
    """Noise; extremes: of 0 and 255 only, which overshoots most where it is scaled."""
    noise = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3))
    return (np.where(noise > 127, 255, 0) if extremes else noise).astype(np.uint8)


def by_pillow(source: NDArray[np.uint8], size: Size, part: Part, box: Box | None) -> NDArray[np.uint8]:
    top, left, height, width = part
    whole = Image.fromarray(source).resize(size[::-1], Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    return np.asarray(whole)[top : top + height, left : left + width]


@st.composite
def parts(draw: st.DrawFn, size: Size) -> Part:
    top, left = draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))
    return top, left, draw(st.integers(1, size[0] - top)), draw(st.integers(1, size[1] - left))


@st.composite
def boxes(draw: st.DrawFn, size: Size) -> Box:
    ends = [sorted(draw(st.tuples(st.floats(0, side, width=32), st.floats(0, side, width=32)))) for side in size]
    (top, bottom), (left, right) = [
        (a, b) if b - a >= 0.01 else (0.0, float(side)) for (a, b), side in zip(ends, size, strict=True)
    ]
    return left, top, right, bottom


def test_the_helper_was_compiled_where_the_processor_has_avx2() -> None:
    facts = Path("/proc/cpuinfo")
    assert (scale is not None) == (facts.exists() and " avx2 " in facts.read_text())


@settings(max_examples=400, deadline=None)
@given(data=st.data(), source=st.tuples(SIDES, SIDES), size=st.tuples(SIDES, SIDES), extremes=st.booleans())
def test_any_part_of_any_box_at_any_size_has_the_pixels_of_pillow(
    data: st.DataObject, source: Size, size: Size, extremes: bool
) -> None:
    pixels = picture(*source, extremes=extremes)
    part, box = data.draw(parts(size)), data.draw(st.none() | boxes(source))
    found = scaled(pixels, size, part, box)
    assert (found == by_pillow(pixels, size, part, box)).all()
    assert (scaled(Image.fromarray(pixels), size, part, box) == found).all()
    assert found.flags.c_contiguous and found.flags.writeable and found.flags.owndata


@pytest.mark.parametrize("size", [(100, 80), (100, 60), (50, 80)], ids=["copied", "one way", "the other"])
def test_a_side_that_stays_as_it_is_is_not_scaled(size: Size) -> None:
    pixels = picture(100, 80)
    assert (scaled(pixels, size) == by_pillow(pixels, size, (0, 0, *size), None)).all()


def test_a_picture_that_shrinks_much_is_reduced_first_as_pillow_does() -> None:
    pixels = picture(700, 900)
    assert (scaled(pixels, (100, 150)) == by_pillow(pixels, (100, 150), (0, 0, 100, 150), None)).all()


def test_an_array_that_is_a_view_is_scaled_as_it_looks() -> None:
    pixels = picture(120, 80)[::-1, ::2]
    assert (scaled(pixels, (50, 50)) == by_pillow(np.ascontiguousarray(pixels), (50, 50), (0, 0, 50, 50), None)).all()


@pytest.mark.parametrize(
    "asked",
    [
        {"size": (0, 5)},
        {"size": (5, 5), "part": (0, 0, 6, 5)},
        {"size": (5, 5), "part": (-1, 0, 5, 5)},
        {"size": (5, 5), "part": (0, 0, 0, 5)},
        {"size": (5, 5), "box": (0, 0, 21, 10)},
        {"size": (5, 5), "box": (5, 0, 5, 10)},
        {"size": (5, 5), "box": (0, float("nan"), 5, 10)},
    ],
)
def test_sizes_that_make_no_sense_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        scaled(picture(10, 20), **asked)


@pytest.mark.skipif(scale is None, reason="needs a processor with AVX2")
def test_buffers_that_do_not_fit_are_refused() -> None:
    assert scale is not None
    with pytest.raises(ValueError, match="do not fit"):
        scale(bytes(299), (10, 10), (0, 0, 10, 10), (5, 5), (0, 0, 5, 5), bytearray(75))
    with pytest.raises(ValueError, match="do not fit"):
        scale(bytes(300), (10, 10), (0, 0, 10, 10), (5, 5), (0, 0, 5, 5), bytearray(74))


def test_without_the_helper_the_pixels_are_the_same() -> None:
    program = (
        "import sys; sys.modules['shards.decode._bicubic'] = None\n"
        "from shards.decode.bicubic import scale, scaled\n"
        "from tests.shards.decode.test_bicubic import picture\n"
        "assert scale is None\n"
        "sys.stdout.buffer.write(scaled(picture(120, 90), (70, 60), (5, 6, 50, 40)).tobytes())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=100, check=True)
    assert ran.stdout == scaled(picture(120, 90), (70, 60), (5, 6, 50, 40)).tobytes()
