"""Texts grouped by video: the videos of a list, what becomes of its lines, and what a sample holds besides texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.by_video import VideoList, rows_by_video
from tools.captions import read_caption
from tools.lookup import MediaFolder
from tools.record import Record
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]


def test_a_list_is_a_csv_with_a_header_or_an_id_per_line(text_file: Write) -> None:
    table = VideoList.read(text_file("a.csv", "x,video_id\n1,a\n2\n3,a\n4,\n5,b\n"))
    assert table.places == {"a": "line 2", "b": "line 6"}
    assert [row.reason for row in table.bad] == [
        "malformed line: a.csv line 3: 1 columns, the header has 2; put quotes around a caption with commas",
        "malformed line: a.csv line 4: the video 'a' stands in line 2 already; remove one of them",
        "malformed line: a.csv line 5: no video_id; it has x, video_id",
    ]
    lines = VideoList.read(text_file("train_list.txt", "a b\n\n-4w_1_2\r\n"), lambda video: video.upper())
    assert lines.places == {"A B": "line 1", "-4W_1_2": "line 3"} and not lines.bad
    with pytest.raises(AnnotationError, match=r"empty\.txt: the file is empty; fetch it again"):
        VideoList.read(text_file("empty.txt", ""))


def test_videos_that_are_not_listed_are_passed_over_and_silent_ones_reported(text_file: Write, tmp_path: Path) -> None:
    (tmp_path / "1.mp4").touch()
    only = VideoList.read(text_file("list.txt", "1\n2\n1\n"))
    texts = [("1", "a"), ("3", "b"), ("1", "c"), ("1", "")]
    records = [Record(f"line {n}", {"video": v, "caption": text}) for n, (v, text) in enumerate(texts, 1)]
    good, silent, twice = rows_by_video(
        records,
        tmp_path / "a.csv",
        MediaFolder(tmp_path, ("mp4",)),
        lambda record: read_caption(record, ("video",)),
        "caption",
        only=only,
        whole=lambda records: records[:1],
        meta=lambda video: {"duration": 3},
    )
    assert good == Row(
        "line 1",
        "1",
        ({"caption": "a"},),
        {"id": "1", "duration": 3},
        tmp_path / "1.mp4",
        dropped=("line 4: caption empty",),
    )
    assert isinstance(silent, BadRow) and silent.reason == (
        "no usable text: list.txt line 2: no caption about video '2' in a.csv; give the file that has those of this "
        "split"
    )
    assert isinstance(twice, BadRow) and twice.record_id == "line 3"
