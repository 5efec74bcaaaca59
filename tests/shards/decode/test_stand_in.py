"""Where a library decodes, its frames are given and counted; else the CPU decoder's, and the reason is told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from shards.base.errors import MediaError
from shards.decode.cpu import decode
from shards.decode.cpu_slots import CpuSlots
from shards.decode.decoder import Count, Decoder, Frames, Unsuitable
from shards.decode.device import Device
from shards.decode.stand_in import StandIn
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media
from tests.shards.decode.plans import whole


def stand_in_for(library: str, count: Count) -> StandIn:
    return StandIn(library, Device(None), CpuSlots(1), count)


def refusing(*why: str) -> Decoder:
    """A library that takes no clip."""

    def refuse(media: Media, kind: str, plan: ClipPlan) -> Frames:
        raise Unsuitable(*why)

    return refuse


def test_what_the_library_decodes_is_given_as_it_is(make_clip: Callable[..., bytes]) -> None:
    ways: Counter[str] = Counter()
    stand_in, frames = stand_in_for("ThatLibrary", lambda way: ways.update([way])), np.zeros((1, 1, 1, 3), np.uint8)
    assert stand_in(lambda *_: frames, make_clip(1), "video", whole(0)) is frames
    with pytest.raises(MediaError, match="not a video"):
        stand_in(decode, b"no video", "video", whole(0))
    assert ways == {"thatlibrary": 1}


def test_it_decodes_and_counts_by_reason(make_clip: Callable[..., bytes]) -> None:
    ways: Counter[str] = Counter()
    stand_in, media = stand_in_for("that library", lambda way: ways.update([way])), make_clip(5)
    for reason in ("codec", "size", "codec"):
        frames = stand_in(refusing(reason), media, "video", whole(4, 0))
        assert np.array_equal(frames, decode(media, "video", whole(4, 0)))
    with pytest.raises(MediaError, match="not a video"):
        stand_in(refusing("damaged"), b"no video", "video", whole(0))
    assert ways == {"cpu: codec": 2, "cpu: size": 1, "cpu: damaged": 1}


def test_the_first_clip_of_a_reason_is_told_and_refusals_are_warned_of_ever_more_rarely(
    make_clip: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    stand_in, media = stand_in_for("that library", lambda way: None), make_clip(1)
    with caplog.at_level(logging.INFO, "shards.decode.stand_in"):
        for _ in range(3):
            stand_in(refusing("codec", "theora"), media, "video", whole(0))
        told = "decoded on the CPU instead of by that library: codec: theora (the first for a reason is told)"
        assert caplog.messages == [told]
        caplog.clear()
        for _ in range(11):
            stand_in(refusing("refused", "no memory"), media, "video", whole(0))
    warned = "that library refused {} clip(s), which the CPU decodes instead; the last: refused: no memory"
    assert [record.getMessage() for record in caplog.records] == [warned.format(1), warned.format(10)]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
