"""MDS folders that MosaicML Streaming wrote, to a decoded batch; damaged shards and hostile indices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.containers.given import CLIPS, FIXTURES, OF_CLIPS, OF_PICTURES, change_json, copy_of
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import mds
from tools.rows import AnnotationError, BadRow, OptionError, Row


def test_a_folder_becomes_a_decoded_batch(tmp_path: Path) -> None:
    records = decoded("mds", tmp_path / "out", "--data", FIXTURES / "mds/zstd", "--split", "train")
    assert [record["caption"] for record in records] == [text for t in OF_PICTURES for text in (t, f"{t} again")]


def test_values_of_all_columns_are_kept_and_bytes_are_those_that_were_written() -> None:
    rows = list(mds.rows(FIXTURES / "mds/plain"))
    assert [row.record_id for row in rows] == [
        "shard.00000.mds sample 1",
        "shard.00000.mds sample 2",
        "shard.00001.mds sample 1",
    ]
    for number, row in enumerate(rows):
        assert isinstance(row, Row) and (row.media, row.ext) == (CLIPS[number], "mp4")
        assert row.records == ({"caption": OF_CLIPS[number]},)
        info = {"source": "sintel", "n": number}
        assert row.meta == {"id": f"clip{number}", "info": info, "score": number / 2, "width": 96}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("missing", "media not found: plain shard.00000.mds sample 1: the file is missing; fetch it again"),
        (
            "cut",
            "malformed line: plain shard.00000.mds sample 1: has 6,000 bytes, the index says 6,350; fetch it again",
        ),
        ("flipped", "malformed line: plain shard.00000.mds sample 1: its sha1 is "),
    ],
)
def test_a_damaged_shard_costs_its_samples(tmp_path: Path, damage: str, reason: str) -> None:
    shard = copy_of("mds/plain", tmp_path) / "shard.00000.mds"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(bytes(content) if damage == "flipped" else bytes(content[:6000]))
    if damage == "missing":
        shard.unlink()
    first, second, last = mds.rows(shard.parent)
    assert isinstance(first, BadRow) and first.reason.startswith(reason), first.reason
    assert isinstance(second, BadRow) and second.record_id == "shard.00000.mds sample 2"
    assert isinstance(last, Row) and last.key == "clip2"


def test_a_sample_whose_sizes_lie_costs_itself(tmp_path: Path) -> None:
    folder = copy_of("mds/plain", tmp_path)
    for number in range(2):
        change_json(folder / "index.json", "shards", number, "raw_data", "hashes", value={})
    shard = folder / "shard.00000.mds"
    content = bytearray(shard.read_bytes())
    start = int.from_bytes(content[4:8], "little")
    content[start : start + 4] = b"\xff\xff\xff\x7f"
    shard.write_bytes(bytes(content))
    lying, good, _ = mds.rows(folder)
    assert isinstance(lying, BadRow) and "the column 'caption' claims 2147483647 bytes" in lying.reason
    assert isinstance(good, Row) and good.media == CLIPS[1]


def test_a_packed_shard_that_is_damaged_costs_what_comes_behind_the_damage(tmp_path: Path) -> None:
    folder = copy_of("mds/zstd", tmp_path)
    change_json(folder / "train/index.json", "shards", 0, "zip_data", "hashes", value={})
    shard = folder / "train/shard.00000.mds.zstd"
    shard.write_bytes(shard.read_bytes()[:3500])
    change_json(folder / "train/index.json", "shards", 0, "zip_data", "bytes", value=3500)
    rows = list(mds.rows(folder))
    assert len(rows) == 3 and isinstance(rows[-1], BadRow) and "cannot be unpacked (Truncated" in rows[-1].reason
    shard.write_bytes(b"no zstd" * 500)
    assert all(isinstance(row, BadRow) and "cannot be unpacked" in row.reason for row in mds.rows(folder))


def test_pickled_columns_are_refused_or_left_out() -> None:
    with pytest.raises(OptionError, match=r"the column 'extra' holds pickles.*--leave-out extra"):
        mds.rows(FIXTURES / "mds/pickled")
    (row,) = mds.rows(FIXTURES / "mds/pickled", leave_out="extra")
    assert isinstance(row, Row) and "extra" not in row.meta
    with pytest.raises(OptionError, match=r"--leave-out other: no such column; it has caption, extra, image"):
        mds.rows(FIXTURES / "mds/pickled", leave_out="other")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (
            ("shards", 0, "raw_data", "basename"),
            "../../secret",
            r"names the file '../../secret', which is no path inside",
        ),
        (
            ("shards", 0, "raw_data", "basename"),
            "/etc/passwd",
            r"names the file '/etc/passwd', which is no path inside",
        ),
        (("version",), 3, r"is no index of MDS shards of version 2"),
        (("shards", 0, "format"), "json", r"shard 0: its form is 'json' of version 2; read is mds"),
        (("shards", 0, "samples"), 1 << 40, r"shard 0: its columns, samples or bytes make no sense"),
        (("shards", 0, "column_encodings", 0), "yaml", r"the encoding 'yaml' is not known; write the column in one of"),
        (("shards", 0, "raw_data", "hashes"), {"crc": "0"}, r"checksums crc are not known; take them out of it"),
        (("shards", 1, "column_names", 0), "words", r"shard.00001.mds has other columns than shard.00000.mds"),
        (("shards",), [], r"names no shards; give the index of a split"),
        (("shards", 0), 3, r"shard 0: cannot be read \(TypeError"),
    ],
)
def test_an_index_that_makes_no_sense_is_refused(
    tmp_path: Path, keys: tuple[str, ...], value: object, message: str
) -> None:
    folder = copy_of("mds/plain", tmp_path)
    change_json(folder / "index.json", *keys, value=value)
    with pytest.raises(AnnotationError, match=message):
        list(mds.rows(folder))


def test_what_the_options_name_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"--text-column words: no such column; it has caption, id, info, score, video"
    ):
        mds.rows(FIXTURES / "mds/plain", text_column="words")
    with pytest.raises(OptionError, match=r"has no split 'test'; give one of those that it holds: train"):
        mds.rows(FIXTURES / "mds/zstd", split="test")
    with pytest.raises(OptionError, match=r"has no index.json, nor has a folder in it"):
        mds.rows(tmp_path)
    with pytest.raises(OptionError, match=r"no such folder; --data wants the folder of an MDS dataset"):
        mds.rows(tmp_path / "none")
    change_json(copy_of("mds/plain", tmp_path) / "index.json", "shards", 0, "column_names", 4, value="x")
    change_json(tmp_path / "mds/plain/index.json", "shards", 1, "column_names", 4, value="x")
    with pytest.raises(
        OptionError, match=r"cannot tell which column it is; say it with --media-column: it has caption"
    ):
        mds.rows(tmp_path / "mds/plain")
