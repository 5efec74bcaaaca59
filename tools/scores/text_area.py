"""The score text_area: the share of the picture, 0 to 1, that looks like lines of text.

The method is gradient morphology: where the morphological gradient of the luma is strong there are edges; edges beside
each other are joined along rows; and a joined region counts as text if it is wide and low, full, of two tones (a
threshold after Otsu explains most of its variance) and changes between them as often as letters do. Its bounding box is
the area of the text. Promises: the same value for the same frames. Gives up: text that is not written along rows, text
of less than 7 or more than a quarter of the picture's rows, and what is drawn like text (chess boards, brick walls,
lit windows), which counts. It reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.rows import OptionError

_EDGE = 80
"""Gradient of luma (of 255) from which there is an edge."""
_GAPS = (9, 17)
"""Pixels between edges of a line that are joined: for small and for large letters."""
_LOWEST_LINE, _LEAST_STROKE = 7, 5
"""Rows of a line of text, and of what remains of it when thin regions are taken away."""
_LEAST_FILL, _TWO_TONES, _LEAST_CONTRAST = 0.5, 0.6, 100


class _Box(NamedTuple):
    left: int
    top: int
    width: int
    height: int


def check_installed() -> None:
    """Raise OptionError where OpenCV is missing."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise OptionError(f"the scorer text_area needs OpenCV ({error}); pip install opencv-python-headless") from error


def text_area(frames: NDArray[np.uint8], records: Any, facts: Any) -> float:
    """Mean over the frames of the share of the picture that looks like text. frames: (T, H, W, 3)."""
    return float(np.mean([_share(frame) for frame in frames]))


def _share(frame: NDArray[np.uint8]) -> float:
    import cv2

    luma = np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY), np.uint8)
    edges = (cv2.morphologyEx(luma, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > _EDGE).astype(np.uint8)
    is_text = np.zeros(luma.shape, np.bool_)
    for gap in _GAPS:
        for left, top, width, height in _regions(edges, gap):
            if _is_line(luma[top : top + height, left : left + width]):
                is_text[top : top + height, left : left + width] = True
    return float(is_text.mean())


def _regions(edges: NDArray[np.uint8], gap: int) -> Iterator[_Box]:
    """Boxes of the regions of joined edges that have the shape of a line of text."""
    import cv2

    joined = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((1, gap), np.uint8))
    joined = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((_LEAST_STROKE, gap), np.uint8))
    _, _, found, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    for left, top, width, height, area in found[1:].tolist():  # the first is what is between the regions
        is_low = _LOWEST_LINE <= height <= len(edges) // 4 and width >= 2 * height
        if is_low and area >= _LEAST_FILL * width * height:
            yield _Box(left, top, width, height)


def _is_line(luma: NDArray[np.uint8]) -> bool:
    """True if a region is of two tones that change as often along its rows as those of letters."""
    import cv2

    _, ink = cv2.threshold(luma, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    share = float(ink.mean())
    if not 0 < share < 1:
        return False
    contrast = float(luma[ink > 0].mean() - luma[ink == 0].mean())
    if contrast < _LEAST_CONTRAST or share * (1 - share) * contrast**2 < _TWO_TONES * float(luma.var()):
        return False
    changes = np.count_nonzero(np.diff(ink.astype(np.int8), axis=1), axis=1)
    height, width = luma.shape
    return bool(np.median(changes) >= 2 * width / height)
