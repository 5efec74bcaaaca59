"""Which samples of a dataset are exported, and which frames of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shards.media.probe import probe
from shards.read.beton import Beton
from tests.tools.ffcv.conftest import smallest_videos
from tools.ffcv.export import export

pytestmark = pytest.mark.usefixtures("ffcv")


def test_what_is_left_out_counts_as_quarantined(shards: Path, tmp_path: Path) -> None:
    excluded = tmp_path / "list.jsonl"
    excluded.write_text('{"key": "v0"}\n')
    report = export(
        str(shards),
        str(tmp_path / "x.beton"),
        num_frames=1,
        short_side=32,
        where="kind == 'video'",
        exclude=[str(excluded)],
    )
    assert report.quarantined == {"selection": 2, "decode": 1} and report.num_samples == 3
    assert (report.num_quarantined, report.num_failed) == (3, 1)
    lines = [json.loads(line) for line in (tmp_path / "x.beton.quarantine.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == ["v0", "v4", "bad"]


def test_frames_are_never_enlarged(shards: Path, tmp_path: Path) -> None:
    export(str(shards), str(tmp_path / "x.beton"), num_frames=1, short_side=4000)
    place = Beton(str(tmp_path / "x.beton")).rows["frame_0"][0]
    video = smallest_videos()[0]
    facts = probe(video.read_bytes(), video.name)
    assert (place["width"], place["height"]) == (facts.width, facts.height)
