"""The sets that tests make of the corpus (tests/lavender_like.py) have the published forms and are read as these."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.lavender_like import (
    SPLITS,
    captions_of,
    msvd_names,
    shape_of,
    write_coco,
    write_frames,
    write_msrvtt_mc,
    write_msvd,
)
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import lavender_tsv
from tools.datasets.questions import msrvtt_mc
from tools.datasets.retrieval import msrvtt, msvd
from tools.leaks.annotation_ids import annotation_ids
from tools.rows import AnnotationError, BadRow, CountedRows, Row


def samples(rows: CountedRows) -> list[Row]:
    found = list(rows)
    assert found and all(isinstance(row, Row) for row in found), found
    return [row for row in found if isinstance(row, Row)]


def test_msrvtt_mc_has_the_form_of_the_release(corpus: Path, tmp_path: Path) -> None:
    path, notes = write_msrvtt_mc(corpus, tmp_path), corpus / "annotations/msrvtt_like"
    rows = samples(msrvtt_mc.rows(path, corpus / "videos", notes / "video_id_to_file.json"))
    with open(notes / "MSRVTT_JSFUSION_test.csv", newline="") as file:
        published = {line["video_id"]: line["vid_key"] for line in csv.DictReader(file)}
    with open(path, newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    assert list(lines[0]) == ["key", "vid_key", "a1", "a2", "a3", "a4", "a5", "answer"]
    assert len(lines) == len(rows) == 32 and {row.key for row in rows} >= set(published)
    for row, line in zip(rows, lines, strict=True):
        (record,) = row.records
        assert published.get(row.key, line["vid_key"]) == line["vid_key"]
        assert len(set(record["choices"])) == 5 and record["choices"][int(line["answer"])] == record["answer"]
    assert len(decoded("msrvtt_mc", tmp_path / "out", "--annotations", path, "--media", corpus / "videos",
                       "--id-map", notes / "video_id_to_file.json", "--limit", "2")) == 2  # fmt: skip


def test_msvd_as_json_and_as_pickle_gives_the_clips_of_its_lists(corpus: Path, tmp_path: Path) -> None:
    folder = write_msvd(corpus, tmp_path / "msvd")
    for split in SPLITS:
        listed = folder / f"{split}_list.txt"
        by_form = [
            samples(msvd.rows(folder / name, folder / "YouTubeClips", None, listed))
            for name in ("raw-captions.json", "raw-captions.pkl")
        ]
        coco = samples(msvd.rows(folder / f"coco_{split}.json", folder / "YouTubeClips"))
        assert by_form[0] == by_form[1] and [row.meta["id"] for row in by_form[0]] == msvd_names(split)
        assert [[r["caption"] for r in row.records] for row in coco] == [
            [r["caption"] for r in row.records] for row in by_form[0]
        ]
    options = ["--annotations", folder / "raw-captions.pkl", "--videos", folder / "val_list.txt"]
    assert len(decoded("msvd", tmp_path / "out", *options, "--media", folder / "YouTubeClips")) == 6


def test_msvd_files_have_the_form_of_the_published_ones(corpus: Path, published: Path, tmp_path: Path) -> None:
    folder = write_msvd(corpus, tmp_path / "msvd")
    real = json.loads((published / "msvd_cap/malmm_coco_gt_cap_val.json").read_text())
    assert shape_of(json.loads((folder / "coco_val.json").read_text())) == shape_of(real)
    for name in ("train", "test"):
        (theirs, ours) = (path / f"{name}_list.txt" for path in (published / "msvd_cap", folder))
        assert all(len(line.split()) == 1 for path in (theirs, ours) for line in path.read_text().splitlines())
        videos = annotation_ids(theirs, True), annotation_ids(ours, True)
        assert all(len(video.text.rsplit("_", 2)[0]) == 11 for found in videos for video in found)


def test_captions_as_coco_has_them_are_those_of_the_challenge(corpus: Path, tmp_path: Path) -> None:
    notes = corpus / "annotations/msrvtt_like"
    media = (corpus / "videos", "test", None, notes / "video_id_to_file.json")
    rows = samples(msrvtt.rows(notes / "MSRVTT_data.json", *media))
    captions = {row.key: [record["caption"] for record in row.records] for row in rows}
    path = write_coco(tmp_path / "test.caption_coco_format.json", captions)
    again = samples(msrvtt.rows(path, media[0], None, None, media[3]))
    assert {row.key: [record["caption"] for record in row.records] for row in again} == captions
    assert {found.text for found in annotation_ids(path, False)} == set(captions)


def test_frames_and_captions_of_a_caption_yaml_become_a_decoded_batch(corpus: Path, tmp_path: Path) -> None:
    captions = write_frames(corpus, tmp_path, "val")
    rows = samples(lavender_tsv.rows(tmp_path / "val.yaml"))
    assert {row.meta["id"]: [record["caption"] for record in row.records] for row in rows} == captions
    assert all(row.ext == "zip" and row.meta["columns"] == ['[{"class": -1}]'] for row in rows)
    told = decoded("lavender_tsv", tmp_path / "out", "--data", tmp_path / "val.yaml")
    assert [record["caption"] for record in told] == [text for texts in captions.values() for text in texts]


def test_the_captions_that_a_linelist_names_are_taken(corpus: Path, tmp_path: Path) -> None:
    captions = write_frames(corpus, tmp_path, "val", 2)
    pairs = tmp_path / "val.caption.linelist.tsv"
    pairs.write_text("0\t1\n2\t0\n2\t1\n2\t7\n9\t0\nx\t0\n")
    first, missing, last, *bad = lavender_tsv.rows(tmp_path / "val.yaml")
    names = list(captions)
    assert isinstance(first, Row) and first.records == ({"caption": captions[names[0]][1]},)
    assert isinstance(last, Row) and len(last.records) == 2
    assert isinstance(missing, BadRow) and f"id {names[1]!r} has no caption in val.caption.tsv" in missing.reason
    reasons = [row.reason for row in bad if isinstance(row, BadRow)]
    name = "malformed line: val.caption.linelist.tsv line"
    assert reasons == [
        f"{name} 6: expected numbers of a line and a caption, a tab between; found 'x 0'; correct it",
        f"{name} 4: caption 7 of line 2, which has 2 in val.caption.tsv; correct it",
        f"{name} 5: line 9, which val.caption.tsv does not have; give the two files of one split",
    ]


def test_the_tsv_of_the_release_keeps_its_first_frames(published: Path, tmp_path: Path) -> None:
    """Ten real clips of five frames each: the release's downstream readers would show four."""
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps({f"video{number}": [f"clip {number}"] for number in range(7010, 7020)}))
    rows = samples(lavender_tsv.rows(published / "msrvtt_ret/lavender_msrvtt.tsv", texts))
    assert len(rows) == 10 and all((row.media or b"").count(b"\xff\xd8\xff\xe0") == 5 for row in rows)


def test_frames_of_the_corpus_have_the_form_of_the_release(corpus: Path, published: Path, tmp_path: Path) -> None:
    write_frames(corpus, tmp_path, "val", 5)
    ours = (tmp_path / "frames/val.img.tsv").read_text().splitlines()[0].split("\t")
    theirs = (published / "msrvtt_ret/lavender_msrvtt.tsv").read_text().splitlines()[0].split("\t")
    assert [field[:4] for field in ours[2:]] == [field[:4] for field in theirs[1:]] == ["/9j/"] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("img: frames/none.img.tsv\n", r"val.yaml: img names 'frames/none.img.tsv', and there is no such file; fetch"),
        ("img: ../../etc/passwd\n", r"val.yaml: names the file '../../etc/passwd', which is no path inside"),
        ("img: frames/val.img.tsv\ncaption: none.tsv\n", r"val.yaml: caption names 'none.tsv', and there is no such"),
    ],
)
def test_a_yaml_that_names_what_is_not_there_is_refused(
    corpus: Path, tmp_path: Path, change: str, message: str
) -> None:
    write_frames(corpus, tmp_path, "val", 1)
    (tmp_path / "val.yaml").write_text(f"caption: val.caption.tsv\n{change}" if "caption" not in change else change)
    with pytest.raises(AnnotationError, match=message):
        lavender_tsv.rows(tmp_path / "val.yaml")


def test_captions_of_every_clip_are_at_hand(corpus: Path) -> None:
    assert all(len(texts) == 2 for texts in captions_of(corpus).values())
