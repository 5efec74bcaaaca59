"""The samples promise: small, allowed to be passed on, attributed, described, and readable.

Everything is read from samples/ alone; nothing outside the repository is needed.  What is not checked: that a caption
or an answer is true of the pixels, and that a source really grants the licence that manifest.csv names.
"""

import csv
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
MAX_BYTES = 8_000_000
ALLOWED_LICENCES = {
    "CC0-1.0",
    "public domain",
    "CC-BY-2.0",
    "CC-BY-3.0",
    "MIT",
    "Apache-2.0 AND BSD-3-Clause",
}
# A source kind that is not here (`fetch`: repository snapshots) may not be committed.
ALLOWED_SOURCE_KINDS = {"pip", "pip-sdist", "apt", "apt-source", "npm"}
QA_SPLITS = ("train", "val", "test")


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def read_json(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def read_questions(split: str) -> list[dict[str, str]]:
    lines = (SAMPLES / "msrvtt_qa" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def attributed_licences() -> dict[str, str]:
    """File -> licence, from the table rows `| file | author | licence | derivation |` of ATTRIBUTION.md."""
    rows = re.findall(
        r"^\| ((?:videos|images)/\S+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
        (SAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    return {file: licence for file, _author, licence, _derivation in rows}


MANIFEST = read_csv(SAMPLES / "manifest.csv")
FILES = [row["file"] for row in MANIFEST]
VIDEOS = [row for row in MANIFEST if row["file"].startswith("videos/")]
PICTURES = [row for row in MANIFEST if row["file"].startswith("images/")]
WITH_NOTICE = [row for row in MANIFEST if row["licence"].startswith(("MIT", "Apache"))]


def test_the_whole_folder_stays_below_eight_megabytes() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) <= MAX_BYTES


def test_manifest_lists_every_media_file_once() -> None:
    on_disk = {f"{folder}/{path.name}" for folder in ("videos", "images") for path in (SAMPLES / folder).iterdir()}
    assert len(FILES) == len(set(FILES))
    assert set(FILES) == on_disk


@pytest.mark.parametrize("row", MANIFEST, ids=FILES)
def test_bytes_are_the_ones_of_the_manifest(row: dict[str, str]) -> None:
    data = (SAMPLES / row["file"]).read_bytes()
    assert len(data) == int(row["bytes"])
    assert hashlib.sha256(data).hexdigest() == row["sha256"]


@pytest.mark.parametrize("row", MANIFEST, ids=FILES)
def test_licence_and_source_allow_to_commit_the_file(row: dict[str, str]) -> None:
    assert row["licence"] in ALLOWED_LICENCES
    assert row["source_kind"] in ALLOWED_SOURCE_KINDS
    assert row["source"]


def test_every_file_is_attributed_under_the_licence_of_the_manifest() -> None:
    assert attributed_licences() == {row["file"]: row["licence"] for row in MANIFEST}


def test_attribution_names_every_source_and_says_what_the_project_licence_leaves_out() -> None:
    text = (SAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^## (\S+) \(\S+\)$", text, flags=re.MULTILINE))
    assert headings == {row["source"] for row in MANIFEST}
    assert "licence does not cover these media" in text


@pytest.mark.parametrize("row", WITH_NOTICE, ids=[row["file"] for row in WITH_NOTICE])
def test_notice_of_mit_bsd_and_apache_media_names_the_file(row: dict[str, str]) -> None:
    notices = [path.read_text(encoding="utf-8") for path in (SAMPLES / "LICENSES").iterdir()]
    assert any(Path(row["file"]).name in notice for notice in notices)
    if "Apache-2.0" in row["licence"]:
        assert (SAMPLES / "LICENSES" / "Apache-2.0.txt").is_file()


def test_every_file_has_two_different_captions() -> None:
    described = read_json("captions.json")
    assert sorted(entry["file"] for entry in described) == sorted(FILES)
    assert len({entry["id"] for entry in described}) == len(described)
    for entry in described:
        assert len(entry["captions"]) == 2, entry["file"]
        assert all(caption.strip() for caption in entry["captions"]), entry["file"]
        assert len(set(entry["captions"])) == 2, entry["file"]


def test_webvid_rows_are_the_videos_in_the_columns_of_webvid() -> None:
    path = SAMPLES / "webvid" / "results_2M_train.csv"
    assert path.read_text(encoding="utf-8").splitlines()[0] == "videoid,contentUrl,duration,page_dir,name"
    rows = read_csv(path)
    first_caption = {entry["file"]: entry["captions"][0] for entry in read_json("captions.json")}
    assert sorted(row["contentUrl"] for row in rows) == sorted(row["file"] for row in VIDEOS)
    assert {row["videoid"]: row["contentUrl"] for row in rows} == read_json("webvid/videoid_to_file.json")
    for row in rows:
        assert row["name"] == first_caption[row["contentUrl"]]
        assert re.fullmatch(r"\d{6}_\d{6}", row["page_dir"])
        assert re.fullmatch(r"PT\d\dH\d\dM\d\dS", row["duration"])


def test_cc3m_rows_are_the_pictures_in_both_forms() -> None:
    lines = (SAMPLES / "cc3m" / "Train_GCC-training.tsv").read_text(encoding="utf-8").splitlines()
    caption_of = {path: caption for caption, path in (line.split("\t") for line in lines)}
    assert len(caption_of) == len(lines)
    assert sorted(caption_of) == sorted(row["file"] for row in PICTURES)
    captions = {entry["file"]: entry["captions"] for entry in read_json("captions.json")}
    listed = {entry["image"]: entry["caption"] for entry in read_json("cc3m/cc3m.json")}
    assert listed == {file: captions[file] for file in caption_of}
    assert all(caption == captions[file][0] for file, caption in caption_of.items())


def test_at_least_forty_questions_have_short_lower_case_answers() -> None:
    questions = [question for split in QA_SPLITS for question in read_questions(split)]
    assert len(questions) >= 40
    for question in questions:
        assert set(question) == {"answer", "question", "video_id", "answer_type"}
        assert question["answer_type"] in {"what", "who", "how", "where", "when"}
        assert question["question"].split()[0] == question["answer_type"]
        assert question["answer"] == question["answer"].lower().strip() != ""
        assert len(question["answer"].split()) <= 2
    repeated = Counter((question["video_id"], question["question"]) for question in questions)
    assert max(repeated.values()) == 1


def test_no_video_is_in_two_splits_of_the_questions() -> None:
    videos = [{question["video_id"] for question in read_questions(split)} for split in QA_SPLITS]
    assert all(videos)
    assert len(set.union(*videos)) == sum(len(split) for split in videos)


def test_questions_point_at_videos_that_exist() -> None:
    file_of = read_json("msrvtt_qa/video_id_to_file.json")
    assert len(set(file_of.values())) == len(file_of)
    asked = {question["video_id"] for split in QA_SPLITS for question in read_questions(split)}
    assert asked <= set(file_of)
    assert set(file_of.values()) == {row["file"] for row in VIDEOS}


@pytest.mark.parametrize("row", VIDEOS, ids=[row["file"] for row in VIDEOS])
def test_first_frame_of_every_video_decodes_with_the_codec_and_size_of_the_manifest(row: dict[str, str]) -> None:
    import av

    with av.open(str(SAMPLES / row["file"])) as container:
        stream = container.streams.video[0]
        # The decoder may be an implementation (libdav1d); the canonical name is the codec's.
        assert stream.codec_context.codec.canonical_name == row["codec"]
        assert (stream.width, stream.height) == (int(row["width"]), int(row["height"]))
        frame = next(container.decode(stream))
        assert frame.to_ndarray(format="rgb24").shape[2] == 3


@pytest.mark.parametrize("row", PICTURES, ids=[row["file"] for row in PICTURES])
def test_every_picture_decodes_with_the_size_of_the_manifest(row: dict[str, str]) -> None:
    from PIL import Image

    with Image.open(SAMPLES / row["file"]) as picture:
        assert (picture.format or "").lower() == row["codec"]
        assert picture.convert("RGB").size == (int(row["width"]), int(row["height"]))


def test_the_videos_span_at_least_five_codecs_and_containers() -> None:
    assert len({row["codec"] for row in VIDEOS}) >= 5
    assert len({Path(row["file"]).suffix for row in VIDEOS}) >= 5
