"""Folders of save_to_disk that `datasets` wrote, to a decoded batch; splits, damaged files and hostile states."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.containers.given import CLIPS, FIXTURES, OF_CLIPS, OF_PICTURES, PICTURES, change_json, copy_of
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import hf_datasets
from tools.rows import AnnotationError, BadRow, OptionError, Row


def test_a_split_of_a_dataset_dict_becomes_a_decoded_batch(tmp_path: Path) -> None:
    records = decoded("hf_datasets", tmp_path / "out", "--data", FIXTURES / "hf/dict", "--split", "train")
    assert [record["caption"] for record in records] == OF_CLIPS[:2]


def test_files_of_one_dataset_follow_each_other() -> None:
    rows = list(hf_datasets.rows(FIXTURES / "hf/one"))
    assert [row.record_id for row in rows] == [
        "data-00000-of-00002.arrow record 1",
        "data-00000-of-00002.arrow record 2",
        "data-00001-of-00002.arrow record 1",
    ]
    for number, row in enumerate(rows):
        assert isinstance(row, Row) and (row.key, row.media) == (str(number), PICTURES[number])
        assert row.records == ({"caption": OF_PICTURES[number]},)


def test_splits_must_be_chosen_and_val_is_validation() -> None:
    with pytest.raises(OptionError, match=r"holds the splits train, validation; say which with --split"):
        hf_datasets.rows(FIXTURES / "hf/dict")
    (row,) = hf_datasets.rows(FIXTURES / "hf/dict", split="val")
    assert isinstance(row, Row) and row.media == CLIPS[2]


def test_a_damaged_or_missing_file_is_one_loss_among_others(tmp_path: Path) -> None:
    folder = copy_of("hf/one", tmp_path)
    first = folder / "data-00000-of-00002.arrow"
    first.write_bytes(first.read_bytes()[:3000])
    bad, good = hf_datasets.rows(folder)
    assert isinstance(bad, BadRow) and isinstance(good, Row) and good.key == "2"
    assert bad.reason.startswith("malformed line: one data-00000-of-00002.arrow from record 1 on: cannot be read (")
    first.unlink()
    bad, good = hf_datasets.rows(folder)
    assert isinstance(bad, BadRow) and bad.kind == "media not found" and isinstance(good, Row)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("_data_files", 0, "filename"), "../x.arrow", r"names the file '../x.arrow', which is no path inside"),
        (("_data_files",), [], r"names no files of data"),
        (("_indices_data_files",), [{"filename": "i.arrow"}], r"chosen by a list of indices; call flatten_indices\(\)"),
    ],
)
def test_a_state_that_makes_no_sense_is_refused(
    tmp_path: Path, keys: tuple[str, ...], value: object, message: str
) -> None:
    folder = copy_of("hf/one", tmp_path)
    change_json(folder / "state.json", *keys, value=value)
    with pytest.raises(AnnotationError, match=message):
        hf_datasets.rows(folder)


def test_other_folders_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"has no state.json, nor has a folder in it; .*save_to_disk"):
        hf_datasets.rows(tmp_path)
    folder = copy_of("hf/one", tmp_path)
    for path in folder.glob("*.arrow"):
        path.write_bytes(b"ARROW1 and nothing more")
    with pytest.raises(AnnotationError, match=r"none of the 2 files can be read"):
        hf_datasets.rows(folder)
