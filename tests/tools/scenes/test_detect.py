"""Cuts of videos made of real clips are found to the frame, whatever the container, rate and rotation."""

from __future__ import annotations

from typing import Any

import pytest

from shards.base.errors import MediaError
from tests.tools.media.scenes import video
from tests.tools.scenes.joined import joined
from tools.rows import OptionError
from tools.scenes.detect import Detection, find_cuts


@pytest.mark.parametrize("detector", ["adaptive", "content"])
@pytest.mark.parametrize("form", [{}, {"ext": "mkv"}, {"rotation": 90, "uneven": True, "gop": 250}])
def test_the_cuts_are_found_to_the_frame(detector: str, form: dict[str, Any]) -> None:
    assert find_cuts(joined(**form), Detection(detector)) == ([40, 80, 120, 160], 200)


def test_a_video_of_one_scene_or_one_frame_has_no_cut() -> None:
    assert find_cuts(video(30), Detection()) == ([], 30)
    assert find_cuts(video(1), Detection()) == ([], 1)
    assert find_cuts(joined(), Detection("content", 255.0)) == ([], 200)


def test_a_file_that_was_cut_off_has_the_cuts_before_its_end() -> None:
    data = joined(ext="mkv")
    cuts, count = find_cuts(data[: len(data) // 2], Detection())
    assert 0 < count < 200 and cuts == [cut for cut in (40, 80, 120, 160) if cut < count - 2]


def test_what_is_no_video_is_told() -> None:
    with pytest.raises(MediaError, match="not a video"):
        find_cuts(b"no video", Detection())
    with pytest.raises(OptionError, match="--detector magic is unknown; choose one of adaptive, content"):
        Detection("magic").open()


def test_a_missing_library_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scenedetect", None)
    with pytest.raises(OptionError, match="pip install scenedetect opencv-python-headless"):
        Detection().open()
