"""Pieces become an index; what cannot be read as a quarantine is refused by line."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.write_index import rows_table
from shards.dataset.indexing.publish import Header, Piece, is_own, pieces_of, publish_index
from shards.dataset.writing.local_target import LocalTarget
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.target import Target
from shards.media.facts import KeyFrames, MediaFacts
from shards.storage.open import open_source

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
    publish_into(open_target(str(folder)), pieces)
    return Index.open(open_source(folder))


def publish_into(target: Target, pieces: list[Piece]) -> None:
    publish_index(target, Header("toy", "/root/of/tars", True, True, {"pattern": "x"}), pieces)
    target.release()


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


def test_whoever_opens_between_two_files_of_another_version_is_told(tmp_path: Path) -> None:
    """Of two versions with equal names, counts and sizes, in every mix of their files: one of the two, or an error."""
    other = ROW._replace(members=(MemberRow("mp4", 1024, 9, 7),))
    versions = {}
    for name, row in (("old", ROW), ("new", other)):
        publish(tmp_path / name, [piece("a.tar", [row], [])])
        versions[name] = {file.name: file.read_bytes() for file in (tmp_path / name).iterdir() if file.is_file()}
    assert versions["old"]["shards.parquet"] == versions["new"]["shards.parquet"]
    names = ("index.parquet", "shards.parquet", "dataset.json")
    folder = tmp_path / "mixed"
    folder.mkdir()
    refused = 0
    for chosen in product(versions, repeat=len(names)):
        for name, version in zip(names, chosen, strict=True):
            (folder / name).write_bytes(versions[version][name])
        opened = None
        try:
            opened = Index.open(open_source(folder), ["/root/of/tars"])
        except DatasetError as error:
            refused += 1
            assert re.search(
                r"index\.parquet: is of another version than dataset\.json beside it; .*start again", str(error)
            )
        if opened is not None:
            assert chosen[0] == chosen[2], "of one version"
            expected = {"old": 512, "new": 1024}[chosen[2]]
            assert opened.rows(0).members(0)[0].offset == expected
    assert refused == 4


def test_at_every_step_of_a_publication_the_dataset_is_of_one_version_or_says_so(tmp_path: Path) -> None:
    publish(tmp_path, [piece("a.tar", [ROW], [])])
    found: list[object] = []

    def look() -> None:
        try:
            opened = Index.open(open_source(tmp_path))
            found.append((opened.dataset["num_samples"], len(opened.rows(0))))
        except DatasetError as error:
            found.append("another version" in str(error) or "expected" in str(error))

    class Watched(LocalTarget):
        def publish(self, path: str, name: str, sync: bool = True) -> None:
            look()
            super().publish(path, name, sync)
            look()

    publish_into(Watched(str(tmp_path)), [piece("a.tar", [ROW, ROW], [])])
    assert found[0] == (1, 1) and found[-1] == (2, 2)
    assert all(one in ((1, 1), (2, 2), True) for one in found), found
    assert True in found
