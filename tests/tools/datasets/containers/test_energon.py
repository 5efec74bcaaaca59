"""Energon folders that `energon prepare` made, to a decoded batch; splits, exclusions, field maps and damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.containers.given import CLIPS, FIXTURES, OF_CLIPS, change_json, copy_of
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import energon
from tools.rows import AnnotationError, BadRow, OptionError, Row


def test_a_split_becomes_a_decoded_batch(tmp_path: Path) -> None:
    records = decoded("energon", tmp_path / "out", "--data", FIXTURES / "energon", "--split", "train")
    assert [record["caption"] for record in records] == OF_CLIPS[:2]


def test_the_split_names_the_tars_and_the_field_map_the_members() -> None:
    with pytest.raises(OptionError, match=r"split.yaml: holds the splits train, val; say which with --split"):
        energon.rows(FIXTURES / "energon")
    (row,) = energon.rows(FIXTURES / "energon", "val")
    assert isinstance(row, Row) and (row.media, row.key) == (CLIPS[2], "0002")
    assert row.records == ({"caption": OF_CLIPS[2]},) and row.meta == {"id": "0002", "source": "samples"}
    (other,) = energon.rows(FIXTURES / "energon", "val", text_field="source", key_prefix="tar")
    assert (
        isinstance(other, Row) and other.records == ({"caption": "samples"},) and other.meta["id"] == "shard_001/0002"
    )


def test_tars_and_samples_that_are_excluded_are_passed_over(tmp_path: Path) -> None:
    folder = copy_of("energon", tmp_path)
    split = folder / ".nv-meta/split.yaml"
    split.write_text("split_parts: {train: ['shard_{000..001}.tar']}\nexclude: [shard_001.tar, shard_000.tar/0000]\n")
    (row,) = energon.rows(folder)
    assert isinstance(row, Row) and row.key == "0001"


def test_a_tar_that_is_missing_cut_off_or_other_than_said_is_quarantined(tmp_path: Path) -> None:
    folder = copy_of("energon", tmp_path)
    change_json(folder / ".nv-meta/.info.json", "shard_counts", "shard_000.tar", value=3)
    _, _, more = energon.rows(folder, "train")
    assert (
        isinstance(more, BadRow) and ".info.json says 3 samples, the tar holds 2; run `energon prepare`" in more.reason
    )
    tar = folder / "shard_000.tar"
    tar.write_bytes(tar.read_bytes()[:5000])
    (cut,) = energon.rows(folder, "train")
    assert isinstance(cut, BadRow) and "it was cut off; fetch it again" in cut.reason
    tar.unlink()
    (missing,) = energon.rows(folder, "train")
    assert isinstance(missing, BadRow) and missing.reason.startswith(
        "media not found: energon shard_000.tar: the tar is"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("split.yaml", "split_parts: {train: [../x.tar]}", r"names the file '../x.tar', which is no path inside"),
        ("split.yaml", "split_parts: [a", r"split.yaml: not YAML that can be read"),
        ("split.yaml", "split_parts: {train: a.tar}", r"expected split_parts with a list of tars for each"),
        ("split.yaml", "split_parts: {train: ['{a']}", r"'{a' cannot be expanded"),
        (
            "split.yaml",
            "split_parts: {train: ['{0..99999999}']}",
            r"'{0..99999999}' cannot be expanded .stands for more than 1,048,576 names",
        ),
        ("split.yaml", "split_parts: {train: []}", r"the split train has no tars"),
        ("dataset.yaml", "- 3", r"dataset.yaml: expected an object with sample_type and field_map"),
        (".info.json", '{"shard_counts": 3}', r"expected shard_counts with a number for each tar"),
        (".info.json", '{"shard_counts": {"a.tar": 99999999999999999999}}', r"expected shard_counts with a number"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    folder = copy_of("energon", tmp_path)
    (folder / ".nv-meta" / name).write_text(content)
    with pytest.raises(AnnotationError, match=message):
        energon.rows(folder, "train")


def test_python_code_is_not_run_and_plain_folders_are_refused(tmp_path: Path) -> None:
    folder = copy_of("energon", tmp_path)
    (folder / ".nv-meta/dataset.yaml").write_text("sample_type: {}\nsample_loader: sample_loader.py:load\n")
    with pytest.raises(OptionError, match=r"a sample_loader, Python code that is not run here; say which members"):
        energon.rows(folder, "train")
    rows = list(energon.rows(folder, "train", media_members="mp4"))
    assert len(rows) == 2 and all(isinstance(row, Row) for row in rows)
    with pytest.raises(OptionError, match=r"has no .nv-meta, so it is no Energon dataset"):
        energon.rows(tmp_path)
