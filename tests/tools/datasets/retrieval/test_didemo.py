"""DiDeMo rows: one video under one name, its descriptions as a paragraph or one by one, times in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from shards.media import VIDEO_EXTENSIONS
from tests.didemo_like import LOST, SPLITS, didemo_files, didemo_name, write_didemo_like
from tests.tools.building.test_build import members
from tests.tools.commands.command_line import invoke
from tests.tools.datasets.from_files import CLIPS, decoded
from tools.datasets.retrieval import didemo
from tools.rows import BadRow, OptionError, Row, make_key

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
NAME = "35034348999@N01_6060447507_dc1a90b8ef"
ENTRY = {
    "num_segments": 6,
    "description": "the man in the hat briefly bends over the machine",
    "dl_link": "https://www.flickr.com/video_download.gne?id=6060447507",
    "times": [[1, 1], [0, 2]],
    "video": f"{NAME}.mov",
    "annotation_id": 49152,
}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / f"{NAME}.mp4").touch()
    return tmp_path / "media"


def test_descriptions_are_one_paragraph_whatever_extension_their_video_has(text_file: Write, media: Path) -> None:
    second = {**ENTRY, "description": "he leaves.", "video": f"{NAME}.mp4", "annotation_id": 1, "times": [[5, 5]]}
    path = text_file("val_data.json", json.dumps([ENTRY, second, {**second, "video": f"{NAME}.", "description": ""}]))
    segments = [
        {"caption": ENTRY["description"], "id": "49152", "times": [[5.0, 10.0], [0.0, 15.0]]},
        {"caption": "he leaves.", "id": "1", "times": [[25.0, 30.0]]},
    ]
    whole = {"caption": f"{ENTRY['description']} he leaves.", "segments": segments}
    dropped = ("entry 3: caption empty",)
    expected = Row("entry 1", make_key(NAME), (whole,), {"id": NAME}, media / f"{NAME}.mp4", dropped=dropped)
    assert list(didemo.rows(path, media)) == [expected]
    (row,) = didemo.rows(path, media, text="segments")
    assert isinstance(row, Row) and list(row.records) == segments


def test_paragraphs_of_alpro_and_lists_of_lavender(text_file: Write, media: Path) -> None:
    alpro = text_file("val.jsonl", json.dumps({"clip_name": NAME, "caption": "a b"}) + "\n")
    lavender = text_file("didemo.json", json.dumps({"train": [], "val": [{"video": NAME, "caption": ["a", "b"]}]}))
    for path, split in ((alpro, None), (lavender, "val")):
        (row,) = didemo.rows(path, media, split)
        assert isinstance(row, Row) and row.records[0]["caption"] == "a b"
    listed = text_file("list.txt", f"{NAME}.mov\n")
    assert len(list(didemo.rows(alpro, media, None, listed))) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"video": None}, "malformed line: a.json entry 1: no video; it has num_segments, description"),
        ({"times": []}, "malformed line: a.json entry 1: expected times, a list of [first, last], found '[]'; correct"),
        ({"times": "1"}, "malformed line: a.json entry 1: expected times, a list of [first, last], found '1'; correct"),
        (
            {"times": [[2, 1]]},
            "malformed line: a.json entry 1: expected times of [first, last] with 0 <= first <= last < 6, found [2, 1]",
        ),
        (
            {"times": [[0, 6]]},
            "malformed line: a.json entry 1: expected times of [first, last] with 0 <= first <= last",
        ),
        ({"times": [[0.0, 1]]}, "malformed line: a.json entry 1: expected times of [first, last]"),
        ({"times": [[0]]}, "malformed line: a.json entry 1: expected times of [first, last]"),
        (
            {"description": " "},
            f"no usable text: a.json entry 1: video '{NAME}' has no usable description (entry 1: capt",
        ),
        (
            {"video": "x.3gp"},
            "media not found: a.json entry 1: video 'x' with 1 description(s): no file under MEDIA for",
        ),
    ],
)
def test_a_bad_entry_says_file_place_reason_and_remedy(
    text_file: Write, media: Path, change: dict[str, Any], reason: str
) -> None:
    (bad,) = didemo.rows(text_file("a.json", json.dumps([{**ENTRY, **change}])), media)
    assert isinstance(bad, BadRow) and bad.reason.startswith(reason.replace("MEDIA", str(media))), bad


def test_a_text_that_is_not_known_is_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(OptionError, match=r"--text 'words' is unknown; choose one of paragraph, segments"):
        didemo.rows(text_file("a.json", "[]"), media, text="words")


@pytest.mark.parametrize(("name", "num_videos", "num_texts"), [("val", 1065, 4180), ("test", 1004, 4021)])
def test_every_published_description_is_kept(
    published: Path, one_for_all: OneForAll, name: str, num_videos: int, num_texts: int
) -> None:
    path = published / f"didemo/{name}_data.json"
    entries = json.loads(path.read_text())
    assert {entry["video"].rpartition(".")[2].lower() for entry in entries} <= {*VIDEO_EXTENSIONS, ""}
    media, id_map = one_for_all(entry["video"].rpartition(".")[0] for entry in entries)
    rows = list(didemo.rows(path, media, id_map=id_map))
    samples = [row for row in rows if isinstance(row, Row)]
    assert len(samples) == len(rows) == num_videos and not any(row.dropped for row in samples)
    segments = [segment for row in samples for segment in row.records[0]["segments"]]
    assert len(segments) == num_texts == len({segment["id"] for segment in segments})
    assert all(0 <= start < end <= 30 for segment in segments for start, end in segment["times"])


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tmp_path: Path) -> None:
    names = [f"1@N0{number}_2_ab" for number in range(len(CLIPS))]
    entries = [{**ENTRY, "video": f"{name}.mov", "annotation_id": n} for n, name in enumerate(names)]
    path = text_file("val_data.json", json.dumps(entries + entries))
    id_map = text_file("map.json", json.dumps(dict(zip(names, CLIPS, strict=True))))
    options = ["--annotations", path, "--media", samples / "videos", "--id-map", id_map]
    records = decoded("didemo", tmp_path / "out", *options)
    assert [record["caption"] for record in records] == [f"{ENTRY['description']} {ENTRY['description']}"] * len(CLIPS)
    assert records[0]["segments"][0]["times"] == [[5.0, 10.0], [0.0, 15.0]]


def test_a_file_without_an_extension_is_taken_for_what_its_first_bytes_say(
    samples: Path, text_file: Write, tmp_path: Path
) -> None:
    media, names = tmp_path / "media", [f"1@N0{number}_2_ab" for number in range(4)]
    media.mkdir()
    for name, clip in zip(names, ("coin_pen.mov", "tree_hand.avi", "bbb_grass.webm", ""), strict=True):
        file = media / (f"{name}." if clip == "tree_hand.avi" else name)
        file.write_bytes((samples / "videos" / clip).read_bytes() if clip else b"\0\1\2 no video")
    entries = [{**ENTRY, "video": f"{name}."} for name in names]
    rows = list(didemo.rows(text_file("val_data.json", json.dumps(entries)), media))
    assert [row.extension for row in rows if isinstance(row, Row)] == ["mp4", "avi", "mkv", ""]
    done = invoke(
        "build", "didemo", "--annotations", tmp_path / "val_data.json", "--media", media, "--out", tmp_path / "out"
    )
    assert done.exit_code == 0, done.stderr
    (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
    assert "extension '' is none of mp4" in line and "convert or rename the file" in line


@pytest.mark.parametrize("extension", ["mts", "m2ts", "3g2", "MOV", "wmv"])
def test_every_extension_of_the_release_is_a_video(text_file: Write, tmp_path: Path, extension: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / f"{NAME}.{extension}").touch()
    (row,) = didemo.rows(text_file("a.json", json.dumps([ENTRY])), tmp_path / "other")
    assert isinstance(row, Row) and row.extension == extension.lower() in VIDEO_EXTENSIONS


@pytest.mark.parametrize("split", SPLITS)
def test_both_published_forms_give_equal_shards_and_name_the_lost_video(
    corpus: Path, tmp_path: Path, split: str
) -> None:
    raw, lost = write_didemo_like(corpus, tmp_path / "raw"), int(split == "train")
    made = []
    for form, text in (("_data.json", "paragraph"), (".jsonl", "paragraph"), ("_data.json", "segments")):
        out = tmp_path / f"{text}{form}"
        options = ["--annotations", raw / f"{split}{form}", "--media", raw / "videos", "--text", text]
        done = invoke("build", "didemo", *options, "--out", out, "--json")
        assert done.exit_code == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["num_samples"], told["num_quarantined"]) == (len(didemo_files(split)), lost)
        reasons = (out / "quarantine.jsonl").read_text().splitlines()
        assert len(reasons) == lost and all(LOST in line and "media not found" in line for line in reasons)
        made.append(_samples(out))
    lists, lines, segments = made
    assert [sample[:2] for sample in lists] == [sample[:2] for sample in lines] == [sample[:2] for sample in segments]
    captions = _captions(corpus)
    for number, clip in enumerate(didemo_files(split)):
        key, medium, (paragraph,) = lists[number]
        assert key == make_key(didemo_name(split, number)) and medium == (corpus / "videos" / clip).read_bytes()
        assert paragraph["caption"] == " ".join(captions[clip]) == lines[number][2][0]["caption"]
        parts = segments[number][2]
        assert [part["caption"] for part in parts] == captions[clip] and paragraph["segments"] == parts
        assert parts[1]["times"] == [[5.0, 15.0]] * 4


def _captions(corpus: Path) -> dict[str, list[str]]:
    clips = json.loads((corpus / "annotations/captions/videos.json").read_text())
    return {Path(clip["file"]).name: clip["captions"] for clip in clips}


def _samples(dataset: Path) -> list[tuple[str, bytes, list[dict[str, Any]]]]:
    """(key, medium, records) of every sample, in the order of the shards."""
    of: dict[str, dict[str, bytes]] = {}
    for name, content in members(dataset).items():
        key, _, extension = name.partition(".")
        of.setdefault(key, {})["json" if extension == "json" else "medium"] = content
    return [(key, parts["medium"], json.loads(parts["json"])["records"]) for key, parts in of.items()]
