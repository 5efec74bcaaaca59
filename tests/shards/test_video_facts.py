"""Facts and GOP tables of videos agree with what is decoded (more: test_shown.py, test_timeline.py)."""

from __future__ import annotations

import pytest

from shards.media import probe_table
from shards.video_facts import frame_times, probe_video
from tests.shards.bars import Take, film, without_first

H264 = Take("libx264", "mp4", "preset=ultrafast g=25 bf=2")


@pytest.mark.parametrize("cut", [0, 7])
def test_times_of_frames_are_those_of_the_frames_that_are_shown(cut: int) -> None:
    data = without_first(film(H264), "mp4", cut)
    times = frame_times(data)
    facts, table = probe_video(data)
    assert (facts, table) == probe_table(data, "x.mp4")
    assert len(times) == facts.num_frames == (75 if cut else 100)
    assert times == pytest.approx([facts.start_time + number / 25 for number in range(facts.num_frames)])
    assert [key.time for key in table] == pytest.approx([times[key.number] for key in table])


def test_a_cut_off_file_counts_the_frames_before_the_cut() -> None:
    data = film(Take("libx264", "ts", "preset=ultrafast g=25 bf=2"))
    facts, _ = probe_video(data[: len(data) // 2])
    assert 20 < facts.num_frames < 80 and facts.duration == pytest.approx(facts.num_frames / 25, abs=0.15)
