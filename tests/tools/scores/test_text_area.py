"""Rendered lines of text are found by their share of the picture; pictures without text have next to none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.tools.scores.graded import gray
from tools.rows import OptionError
from tools.scores.text_area import check_installed, text_area

cv2 = pytest.importorskip("cv2")
SIDE = 224


def photo(path: Path) -> Image.Image:
    with Image.open(path) as image:
        scale = SIDE / min(image.size)
        return image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))


def with_lines(image: Image.Image, number: int, size: int) -> np.ndarray:
    """The picture with lines of white letters that have a black rim, as subtitles have."""
    image = image.copy()
    font = ImageFont.load_default(size)
    for line in range(number):
        place = (8, 8 + line * (size + 10))
        ImageDraw.Draw(image).text(
            place, "Breaking: text in a film", fill="white", font=font, stroke_width=1, stroke_fill="black"
        )
    return np.asarray(image)[None]


@pytest.mark.parametrize("name", ["sk_coffee.jpg", "sk_chelsea.jpg", "sl_flower.jpg", "sk_rocket.png"])
@pytest.mark.parametrize("size", [14, 22])
def test_text_has_a_share_that_grows_with_its_lines(samples: Path, name: str, size: int) -> None:
    plain = photo(samples / "images" / name)
    none, one, four = (text_area(with_lines(plain, number, size), [], None) for number in (0, 1, 4))
    assert none < 0.02 and one > none + 0.02 and four > 1.5 * one
    box = 4 * 1.4 * size * 12 * size / (plain.width * plain.height)  # about the area of four lines of 24 letters
    assert 0.25 * box < four < 2.5 * box


def test_black_letters_on_white_are_text_too_and_one_colour_is_not() -> None:
    page = Image.new("RGB", (320, SIDE), "white")
    for line in range(5):
        ImageDraw.Draw(page).text((10, 12 + 30 * line), "A page of a book, printed", fill="black", font_size=18)
    assert text_area(np.asarray(page)[None], [], None) > 0.1
    assert text_area(gray(200, side=SIDE), [], None) == 0.0
    assert text_area(gray(0, side=16), [], None) == 0.0


def test_a_clip_has_the_mean_of_its_frames(samples: Path) -> None:
    plain = photo(samples / "images/sk_coffee.jpg")
    text, none = with_lines(plain, 3, 18), with_lines(plain, 0, 18)
    both = text_area(np.concatenate([text, none]), [], None)
    assert both == pytest.approx((text_area(text, [], None) + text_area(none, [], None)) / 2)


def test_a_missing_opencv_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(OptionError, match=r"needs OpenCV .*pip install opencv-python-headless"):
        check_installed()
