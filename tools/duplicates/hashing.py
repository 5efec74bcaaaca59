"""Perceptual hashes of a frame: PDQ (facebook/ThreatExchange, 256 bits) of its boxes, and of its mirror image.

A hash has a bit for each of 16 x 16 frequencies: whether it is stronger than the median. Bits lie in the order of their
frequencies, the lowest first, not in that of PDQ's own: a crop that is off by a little changes the high ones only, so
that some band of the hash stays as it is (tools/duplicates/join.py). Mirroring a picture turns the sign of every
second frequency, so the hash of the mirror image takes no second transform.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.duplicates.boxes import BOXES, HALVES, WHOLE, cut
from tools.rows import OptionError

SIDE = 64
"""PDQ's own size, pixels: a picture of it is transformed as it is."""
WORDS = 4
"""Words of 64 bits of a hash."""
HASHES = len(BOXES)
"""Hashes of a frame that others are looked up among, one for each box."""
MIRRORED = (WHOLE, *HALVES)
"""Boxes that are hashed mirrored as well."""
LOOKED_UP = tuple(BOXES.index(box) for box in MIRRORED)
FRAME_HASHES = HASHES + len(MIRRORED)
MIN_QUALITY = 10
"""Least of PDQ's quality, 0 to 100; a frame below it is flat, as black ones are, and its hash is noise."""

_FREQUENCY = np.arange(256)[::-1]
_ORDER = np.lexsort((_FREQUENCY // 16, _FREQUENCY // 16 + _FREQUENCY % 16))
_MIRROR = np.where(np.arange(256) % 2, -1.0, 1.0)


def check_installed() -> None:
    """Raise OptionError unless the library of the hashes is there."""
    try:
        import pdqhash  # noqa: F401
    except ImportError as error:
        raise OptionError(f"pdqhash is not installed ({error}): pip install 'mcg-streams[duplicates]'") from None


def frame_hashes(pixels: NDArray[np.float32]) -> NDArray[np.uint64] | None:
    """(FRAME_HASHES, 4) of a gray frame (H, W), 0 to 255: a hash for each of BOXES, then those of MIRRORED, mirrored.

    None for a flat frame. A box that is flat by itself has the hash 0, which is never compared.
    """
    found = np.zeros((FRAME_HASHES, WORDS), np.uint64)
    for number, box in enumerate(BOXES):
        strengths, quality = _transform(cut(pixels, box, SIDE))
        if quality < MIN_QUALITY:
            if box == WHOLE:
                return None
            continue
        found[number] = _packed(strengths)
        if box in MIRRORED:
            found[HASHES + MIRRORED.index(box)] = _packed(strengths * _MIRROR)
    return found


def _transform(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float64], int]:
    import pdqhash

    gray = np.rint(pixels).clip(0, 255).astype(np.uint8)
    strengths, quality = pdqhash.compute_float(np.repeat(gray[:, :, None], 3, axis=2))
    return strengths, int(quality)


def _packed(strengths: NDArray[np.float64]) -> NDArray[np.uint64]:
    bits = strengths > np.sort(strengths)[127]
    return np.packbits(bits[_ORDER]).view(">u8").astype(np.uint64)
