"""A folder of videos becomes clips as files and a list of them, which the build of webvid takes once it has texts."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import ConversionError
from tests.tools.media.scenes import video
from tests.tools.scenes.joined import CLIPS, joined
from tests.tools.watching import watch
from tools.datasets.pretraining import webvid
from tools.media.profiles import VideoProfile
from tools.rows import OptionError, Row
from tools.scenes import folder as module
from tools.scenes.folder import cut_folder
from tools.scenes.video import Cutting

SMALL = Cutting(profile=VideoProfile(short_side=32, gop=4))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "a film, ünïcode.mp4").write_bytes(joined(CLIPS[:2]))
    (folder / "deep/er/one.mkv").write_bytes(video(30, ext="mkv"))
    (folder / "deep/broken.mp4").write_bytes(b"no video")
    (folder / "deep/empty.mp4").touch()
    (folder / "notes.txt").write_text("no video")
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_clips_are_files_and_the_list_says_where_they_come_from(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[tuple[int, int]] = []
    report = cut_folder(videos, out, SMALL, progress=watch(lambda *now: seen.append(now)))
    assert (report.num_rows, report.num_samples, report.num_quarantined) == (4, 3, 2) and seen[-1] == (4, 2)
    clips = lines(out / "clips.jsonl")
    stem = "a film, ünïcode_mp4"
    assert [(clip["page_dir"], clip["videoid"]) for clip in clips] == [
        *(("", f"{stem}-{number:04d}") for number in range(2)),
        ("deep/er", "one_mkv-0000"),
    ]
    assert (clips[1]["parent"], clips[1]["start"], clips[1]["end"]) == ("a film, ünïcode.mp4", 1.6, 3.2)
    reasons = [line["reason"] for line in lines(out / "quarantine.jsonl")]
    assert len(reasons) == 2 and all("not a video" in reason or "empty" in reason for reason in reasons), reasons
    assert not [path for path in out.rglob("*.part")]

    told = tmp_path / "told.jsonl"
    told.write_text("".join(json.dumps({**clip, "name": "a clip"}) + "\n" for clip in clips))
    rows = [row for row in webvid.rows(told, out / "clips") if isinstance(row, Row)]
    assert len(rows) == 3 and all(row.media_path and row.media_path.stat().st_size for row in rows)


def test_a_run_that_was_stopped_goes_on_and_gives_the_same_files(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(out: Path) -> dict[str, bytes]:
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    cut_folder(videos, tmp_path / "whole", SMALL)

    def stop(done: int, bad: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_folder(videos, tmp_path / "out", SMALL, progress=watch(stop))
    with open(tmp_path / "out/.scenes.jsonl", "a") as state:
        state.write('{"video": "deep/er/one')
    cut: list[str] = []
    original = module.cut_video
    monkeypatch.setattr(module, "cut_video", lambda data, ext, how: (cut.append(ext), original(data, ext, how))[1])
    report = cut_folder(videos, tmp_path / "out", SMALL)
    assert report.num_resumed == 2 and len(cut) == 2
    found, whole = everything(tmp_path / "out"), everything(tmp_path / "whole")
    assert {name for name in whole if whole[name] != found.get(name)} <= {
        ".scenes.jsonl"
    } and found.keys() == whole.keys()
    assert cut_folder(videos, tmp_path / "out", SMALL).finished_before and len(cut) == 2


def test_clips_inside_the_folder_are_not_cut_again(tmp_path: Path) -> None:
    (tmp_path / "one.mp4").write_bytes(video(30))
    for _ in range(2):
        assert cut_folder(tmp_path, tmp_path / "out", SMALL).num_rows == 1


def test_long_names_are_shortened(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{'x' * 230}.mp4").write_bytes(video(30))
    assert cut_folder(tmp_path / "in", tmp_path / "out", SMALL).num_samples == 1
    assert len(lines(tmp_path / "out/clips.jsonl")[0]["videoid"]) < 100


def test_what_cannot_be_cut_is_told(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is no folder"):
        cut_folder(tmp_path / "nowhere", tmp_path / "out", SMALL)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConversionError, match=r"no videos under it \(\.mp4, "):
        cut_folder(tmp_path / "empty", tmp_path / "out", SMALL)
    os.remove(videos / "a film, ünïcode.mp4")
    cut_folder(videos, tmp_path / "out", SMALL)
    with pytest.raises(OptionError, match="holds clips of another folder or of other settings"):
        cut_folder(videos, tmp_path / "out", Cutting(least=2, profile=SMALL.profile))
    with (
        open(tmp_path / "out/.scenes.jsonl") as held,
        pytest.raises(ConversionError, match="another process is cutting into it"),
    ):
        fcntl.flock(held, fcntl.LOCK_EX)
        cut_folder(videos, tmp_path / "out", SMALL)
