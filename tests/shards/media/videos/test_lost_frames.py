"""Frames lost in silence are noticed by the times of packets."""

from __future__ import annotations

import pytest

from shards.media.videos.lost_frames import FrameOrder, Miscounted
from shards.media.videos.video import decode_packet, demux, open_video
from tests.shards.bars import Take, film


@pytest.mark.parametrize("lost", [None, 7, 24])
def test_a_frame_that_was_lost_in_silence_is_noticed_at_the_next_one(lost: int | None) -> None:
    order = FrameOrder()
    with open_video(film(Take("libx264", "mp4", "preset=ultrafast g=25 bf=2"))) as (container, stream):
        shown = []
        for packet in demux(container, stream):
            order.note(packet, "h264")
            shown += decode_packet(packet)
    for number, frame in enumerate(shown):
        if number == lost:
            continue
        if lost is not None and number > lost:
            with pytest.raises(Miscounted, match=f"frame {lost} has another time than the next packet"):
                order.compare(frame, number - 1)
            return
        order.compare(frame, number)
    assert lost is None
