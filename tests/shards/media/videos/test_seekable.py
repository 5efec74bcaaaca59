"""GOP tables that make no sense are not used."""

from __future__ import annotations

import pytest

from shards.media.facts import KeyFrames
from shards.media.videos.seekable import usable


@pytest.mark.parametrize(
    "table",
    [
        None,
        KeyFrames([], [], []),
        KeyFrames([0, 12], [0.0, 0.5], [48]),
        KeyFrames([3, 12], [0.0, 0.5], [48, 90]),
        KeyFrames([0, 12, 12], [0.0, 0.5, 0.6], [48, 90, 95]),
        KeyFrames([0, 12], [0.5, 0.5], [48, 90]),
        KeyFrames([0, 12], [0.0, float("nan")], [48, 90]),
        KeyFrames([0, 12], [0.0, float("inf")], [48, 90]),
        KeyFrames([0, 12], [0.0, 1e30], [48, 90]),
        KeyFrames([0, 12], [0.0, 0.5], [48, -1]),
        KeyFrames([0, 12], [0.0, 0.5], [48, 100]),
        KeyFrames([0, 12], [0.0, 0.5], [48, 48]),
    ],
)
def test_tables_without_sense_are_not_used(table: KeyFrames | None) -> None:
    assert not usable(table, 100)
    assert usable(KeyFrames([0, 12], [0.0, 0.5], [48, 90]), 100) and usable(KeyFrames([0], [0.0], [48]), 100)
