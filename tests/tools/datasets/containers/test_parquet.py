"""Parquet files of Hugging Face's form, to a decoded batch; media as bytes, paths and lists, and damaged files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tools.commands.command_line import invoke
from tests.tools.containers.given import CLIPS, FIXTURES, OF_CLIPS, OF_PICTURES, PICTURES
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import parquet
from tools.rows import AnnotationError, BadRow, OptionError, Row


def test_files_of_one_split_become_a_decoded_batch(tmp_path: Path) -> None:
    records = decoded("parquet", tmp_path / "out", "--data", FIXTURES / "parquet", "--split", "validation")
    assert [record["caption"] for record in records] == OF_CLIPS


def test_splits_are_told_by_names_and_must_be_chosen() -> None:
    with pytest.raises(OptionError, match=r"holds the splits train, validation; say which with --split"):
        parquet.rows(FIXTURES / "parquet")
    rows = list(parquet.rows(FIXTURES / "parquet", split="train"))
    assert [(row.key, row.media) for row in rows if isinstance(row, Row)] == [("2", PICTURES[2]), ("0", PICTURES[0])]
    assert rows[0].record_id == "train-00000-of-00001.parquet row 1"


def test_paths_lead_into_the_media_folder_and_not_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    shutil.copy(FIXTURES / "src/pic0.jpg", tmp_path / "media/a.jpg")
    shutil.copy(FIXTURES / "src/pic0.jpg", tmp_path / "out.jpg")
    table = pa.table({"image_path": ["a.jpg", "../out.jpg", "none.jpg", None, " "], "caption": ["x"] * 5})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(OptionError, match=r"'image_path' holds no bytes but paths .*give the folder .* with --media"):
        list(parquet.rows(tmp_path / "t.parquet"))
    good, *bad = parquet.rows(tmp_path / "t.parquet", tmp_path / "media")
    assert isinstance(good, Row) and good.media_path == tmp_path / "media/a.jpg" and good.key == "000000000"
    reasons = [row.reason for row in bad if isinstance(row, BadRow)]
    assert "leads upwards" in reasons[0] and "no file under" in reasons[1]
    assert "is null" in reasons[2] and "the path is empty" in reasons[3]


def test_lists_dates_and_nested_values_are_kept_and_bytes_are_not(tmp_path: Path) -> None:
    table = pa.table(
        {
            "frames": [PICTURES],
            "meta": [{"captions": ["one", ""], "n": float("nan")}],
            "when": pa.array([0], pa.timestamp("s")),
            "raw": [b"x"],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    (row,) = parquet.rows(tmp_path / "t.parquet", text_column="meta.captions")
    assert isinstance(row, Row) and row.ext == "zip" and row.records == ({"caption": "one"},)
    assert row.dropped == ("t.parquet row 1: caption 2 of 2: empty",)
    assert row.meta == {"id": "000000000", "meta": {"captions": ["one", ""], "n": None}, "when": "1970-01-01T00:00:00"}


@pytest.mark.parametrize(
    ("image", "caption", "reason"),
    [
        (
            PICTURES[0],
            "",
            "no usable text: t.parquet t.parquet row 1: no usable text in the column 'caption' (caption 1",
        ),
        (b"", "x", "unusable media: t.parquet t.parquet row 1: column 'image': is empty (0 bytes); fetch it again"),
        (b"<!doctype html>", "x", "unusable media: t.parquet t.parquet row 1: column 'image': no medium that is read"),
        (None, "x", "media not found: t.parquet t.parquet row 1: column 'image': is null; fetch the medium again"),
    ],
)
def test_a_bad_record_says_file_row_reason_and_remedy(
    tmp_path: Path, image: bytes | None, caption: str, reason: str
) -> None:
    table = pa.table({"image": pa.array([image, PICTURES[1]], pa.binary()), "caption": [caption, "y"]})
    pq.write_table(table, tmp_path / "t.parquet")
    bad, good = parquet.rows(tmp_path / "t.parquet")
    assert isinstance(good, Row) and isinstance(bad, BadRow) and bad.reason.startswith(reason), bad


def test_duplicates_and_media_that_do_not_decode_are_quarantined_by_the_build(tmp_path: Path) -> None:
    images = [PICTURES[0], PICTURES[1], PICTURES[2][:60], b"\xff\xd8\xff\xe0 no picture"]
    table = pa.table({"image": images, "caption": ["x"] * 4, "id": ["a", "a", "b", "c"]})
    pq.write_table(table, tmp_path / "t.parquet")
    built = invoke("build", "parquet", "--data", tmp_path / "t.parquet", "--out", tmp_path / "out", "--json")
    assert built.exit_code == 0, built.stderr
    said = json.loads(built.stdout)
    assert (said["num_rows"], said["num_samples"], said["num_quarantined"]) == (4, 1, 3)
    lines = [json.loads(line) for line in (tmp_path / "out/quarantine.jsonl").read_text().splitlines()]
    assert lines[0]["reason"].startswith("duplicate key: t.parquet t.parquet row 2: ")
    for number, line in enumerate(lines[1:], 3):
        assert line["reason"].startswith(f"unusable media: t.parquet t.parquet row {number}: the jpg given with it: ")


def test_a_file_that_was_cut_off_is_one_loss_among_others(tmp_path: Path) -> None:
    for number in range(2):
        shutil.copy(
            FIXTURES / "parquet/train-00000-of-00001.parquet", tmp_path / f"train-0000{number}-of-00002.parquet"
        )
    cut = tmp_path / "train-00000-of-00002.parquet"
    cut.write_bytes(cut.read_bytes()[:-500])
    bad, *good = parquet.rows(tmp_path)
    assert isinstance(bad, BadRow) and len(good) == 2
    assert bad.record_id == "train-00000-of-00002.parquet from row 1 on" and "cannot be read" in bad.reason
    with pytest.raises(AnnotationError, match=r"none of the 1 files can be read as parquet"):
        parquet.rows(cut)


def test_a_large_row_group_is_read_piece_by_piece(tmp_path: Path) -> None:
    pictures = [number.to_bytes(4, "big") + CLIPS[0] for number in range(64)]
    table = pa.table({"image": pa.array(pictures, pa.binary()), "caption": OF_PICTURES[:1] * 64})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=64)
    rows = parquet.rows(tmp_path / "t.parquet")
    assert rows.__length_hint__() == 64 and len(list(rows)) == 64
