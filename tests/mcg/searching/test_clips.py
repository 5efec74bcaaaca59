"""Clips of folders and datasets, in a fixed order; what cannot be used is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mcg.searching.clips import Clip, clips_in, read_clip
from shards.base import MediaError
from shards.decode import open_decoder
from shards.media import ClipConfig
from tests.mcg.small_retrieval import write_captions

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
CONFIG = ClipConfig(num_frames=2, size=32)


def test_a_folder_gives_its_media_by_path_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    shutil.copy(SAMPLES / "videos" / "bbb_tree.mp4", tmp_path / "b" / "tree.MP4")
    shutil.copy(SAMPLES / "videos" / "bbb_tree.mp4", tmp_path / "a.mp4")
    (tmp_path / "notes.txt").write_text("no medium")
    found = list(clips_in(tmp_path))
    assert [clip.name for clip in found if isinstance(clip, Clip)] == ["a.mp4", "b/tree.MP4"]
    frames = [clip.frames(CONFIG, open_decoder("cpu")) for clip in found if isinstance(clip, Clip)]
    assert frames[0].shape == (2, 32, 32, 3) and np.array_equal(frames[0], frames[1])


def test_a_dataset_gives_its_samples_by_origin_and_names_the_broken(tmp_path: Path) -> None:
    folder = write_captions(tmp_path / "gray", num_samples=4)
    with open(folder / "000000.tar", "r+b") as file:
        file.seek(512 + 20)
        file.write(b"torn")
    found = list(clips_in(folder))
    assert [isinstance(one, MediaError) for one in found].count(True) == 1
    assert [one.name for one in found if isinstance(one, Clip)] == [
        f"gray/{shard}.tar:{key}" for shard, key in (("000000", "0001"), ("000000", "0002"), ("000001", "0003"))
    ]
    assert "gray/000000.tar:0000" in str(next(one for one in found if isinstance(one, MediaError)))


def test_places_without_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="nowhere: no such folder; name a folder of videos, or a dataset"):
        list(clips_in(tmp_path / "nowhere"))
    with pytest.raises(MediaError, match="no videos or pictures below it"):
        list(clips_in(tmp_path))


def test_a_file_that_is_no_medium_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"^text\.mp4: "):
        read_clip(tmp_path / "text.mp4", "text.mp4").frames(CONFIG, open_decoder("cpu"))
    with pytest.raises(MediaError, match=r"^gone\.mp4: not readable: No such file"):
        read_clip(tmp_path / "gone.mp4", "gone.mp4")
