"""What stands in for another decoder gives the CPU decoder's frames, and counts and tells the reason."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from shards.base.errors import MediaError
from shards.decode.cpu import decode
from shards.decode.decoder import Unsuitable
from shards.decode.stand_in import StandIn
from tests.shards.decode.plans import whole


def test_it_decodes_and_counts_by_reason(make_clip: Callable[..., bytes]) -> None:
    ways: Counter[str] = Counter()
    stand_in, media = StandIn("that library", lambda way: ways.update([way])), make_clip(5)
    for reason in ("codec", "size", "codec"):
        frames = stand_in(media, "video", whole(4, 0), Unsuitable(reason))
        assert np.array_equal(frames, decode(media, "video", whole(4, 0)))
    with pytest.raises(MediaError, match="not a video"):
        stand_in(b"no video", "video", whole(0), Unsuitable("damaged"))
    assert ways == {"cpu: codec": 2, "cpu: size": 1, "cpu: damaged": 1}


def test_the_first_clip_of_a_reason_is_told_and_refusals_are_warned_of_ever_more_rarely(
    make_clip: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    stand_in, media = StandIn("that library", lambda way: None), make_clip(1)
    with caplog.at_level(logging.INFO, "shards.decode.stand_in"):
        for _ in range(3):
            stand_in(media, "video", whole(0), Unsuitable("codec", "theora"))
        told = "decoded on the CPU instead of by that library: codec: theora (the first for a reason is told)"
        assert caplog.messages == [told]
        caplog.clear()
        for _ in range(11):
            stand_in(media, "video", whole(0), Unsuitable("refused", "no memory"))
    warned = "that library refused {} clip(s), which the CPU decodes instead; the last: refused: no memory"
    assert [record.getMessage() for record in caplog.records] == [warned.format(1), warned.format(10)]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
