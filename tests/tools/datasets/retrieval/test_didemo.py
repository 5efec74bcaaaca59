"""DiDeMo rows: one video under one name, its descriptions as a paragraph or one by one, times in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

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
