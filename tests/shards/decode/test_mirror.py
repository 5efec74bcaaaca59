"""Mirroring a picture, whatever part of memory it is a view of."""

from __future__ import annotations

import numpy as np

from shards.decode.mirror import mirrored


def test_left_becomes_right() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    for view in (pictures, pictures[2:7, 3:4], pictures[:, 1:8], np.rot90(pictures), pictures[:0]):
        found = mirrored(view)
        np.testing.assert_array_equal(found, view[:, ::-1])
        assert found.flags.c_contiguous
