"""Pieces become an index; what cannot be read as a quarantine is refused by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.index import DatasetError, Index, KeyFrames, MemberRow, SampleRow, ShardEntry, rows_table
from shards.publish import Header, Piece, is_own, pieces_of, publish_index, read_quarantine
from shards.sample import MediaFacts
from shards.source import open_source
from shards.target import open_target

ROW = SampleRow(
    "k",
    (MemberRow("mp4", 512, 9, 7),),
    1,
    MediaFacts("video", "h264", 8, 8, 8),
    KeyFrames([0, 4], [0.5, 1.5], [48, -1]),
)


def piece(name: str, rows: list[SampleRow], lines: list[dict[str, object]]) -> Piece:
    entry = ShardEntry(name, len(rows), len(rows), 10_240, "0" * 32)
    return Piece(entry, "mtime_ns=1", len(lines), lambda: rows_table(0, rows, True), lambda: lines)


def publish(folder: Path, pieces: list[Piece]) -> Index:
    target = open_target(str(folder))
    publish_index(target, Header("toy", "/root/of/tars", True, True, {"pattern": "x"}), pieces)
    target.release()
    return Index.open(open_source(folder))


def test_pieces_are_numbered_in_their_order_and_come_back(tmp_path: Path) -> None:
    line: dict[str, object] = {"key": None, "member": "odd\udce9", "reason": "no key"}
    pieces = [piece("a.tar", [], [line]), piece("b.tar", [ROW, ROW], []), piece("c.tar", [ROW], [])]
    opened = publish(tmp_path, pieces)
    assert [len(opened.rows(shard)) for shard in range(3)] == [0, 2, 1]
    assert opened.gop_table(1, 1) == ROW.key_frames and opened.dataset["num_quarantined"] == 1
    assert opened.shard_source.url == "/root/of/tars" and is_own(opened.dataset)
    again = pieces_of(opened)
    assert [(p.entry, p.state, p.num_quarantined) for p in again.values()] == [p[:3] for p in pieces]
    assert list(again["a.tar"].quarantined()) == [{"shard": "a.tar", **line}]
    assert again["c.tar"].table().num_rows == 1


def test_a_dataset_of_a_conversion_is_not_our_own() -> None:
    assert not is_own({"provenance": {"tool": "tools/build.py"}}) and not is_own({"provenance": 3}) and not is_own({})


def test_a_quarantine_that_is_none_is_refused_by_line(tmp_path: Path) -> None:
    assert read_quarantine(open_source(tmp_path)) == {}
    (tmp_path / "quarantine.jsonl").write_text('{"shard": "a.tar"}\n{"row": 3}\n')
    with pytest.raises(DatasetError, match=r"quarantine\.jsonl, line 2: not a line of an index"):
        read_quarantine(open_source(tmp_path))
