"""COIN rows: an instructional video with its steps and their times, from the authors' json and PDPP's lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.from_files import CLIPS, decoded
from tools.datasets.procedures import coin
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
ENTRY: dict[str, Any] = {
    "recipe_type": 116,
    "annotation": [
        {"id": "373", "segment": [21.0, 22.0], "label": "begin to run up"},
        {"id": "374", "segment": [23.0, 24.0], "label": "begin to jump up"},
    ],
    "video_url": "https://www.youtube.com/embed/NLy71UrHElw",
    "start": 20.407162179718902,
    "end": 26.795,
    "duration": 26.795,
    "class": "PractisePoleVault",
    "subset": "training",
}
STEPS = [
    {"caption": "begin to run up", "id": "373", "start": 21.0, "end": 22.0},
    {"caption": "begin to jump up", "id": "374", "start": 23.0, "end": 24.0},
]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media/116").mkdir(parents=True)
    (tmp_path / "media/116/NLy71UrHElw.mp4").touch()
    return tmp_path / "media"


def test_both_forms_give_the_steps_with_times(text_file: Write, media: Path) -> None:
    facts = {name: ENTRY[name] for name in ("subset", "duration", "recipe_type", "class", "video_url")}
    video = "NLy71UrHElw"
    authors = text_file("COIN.json", json.dumps({"database": {video: ENTRY, "b": {**ENTRY, "subset": "testing"}}}))
    pdpp = text_file("coin_train_70.json", json.dumps([{video: ENTRY}]))
    for path, split, place in (
        (authors, "train", f"video '{video}' entry 1"),
        (pdpp, None, f"video '{video}' entry 1"),
    ):
        (row,) = coin.rows(path, media, split)
        assert row == Row(place, video, tuple(STEPS), {"id": video, **facts}, media / f"116/{video}.mp4")
    (row,) = coin.rows(pdpp, media, text="paragraph")
    assert isinstance(row, Row)
    assert row.records == ({"caption": "begin to run up begin to jump up", "segments": STEPS},)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (
            3,
            "malformed line: a.json entry 2: expected a video with a subset and a list of annotation, found int; corre",
        ),
        ({}, "malformed line: a.json entry 2: expected a video with a subset and a list of annotation, found nothing;"),
        ({"b": 3}, "malformed line: a.json entry 2: expected a video with a subset and a list of annotation, found in"),
        (
            {"NLy71UrHElw": ENTRY},
            "malformed line: a.json entry 2: the video 'NLy71UrHElw' stands at entry 1 already; r",
        ),
        (
            {"b": {**ENTRY, "annotation": [{"id": "1", "label": "c", "segment": [2]}]}},
            "malformed line: a.json video 'b' entry 1: expected start and end in seconds, 0 <= start <= end, found [2]",
        ),
        (
            {"b": {**ENTRY, "annotation": [{"id": "1", "label": None, "segment": [1, 2]}]}},
            "no usable text: a.json video 'b' entry 1: video 'b' has no usable step (video 'b' entry 1: caption empty)",
        ),
        ({"b": {**ENTRY, "annotation": []}}, "no usable text: a.json entry 2: no step about video 'b' in a.json; give"),
        (
            {"b": ENTRY},
            "media not found: a.json video 'b' entry 1: video 'b' with 2 step(s): no file under MEDIA for b.(mp4, ...)",
        ),
    ],
)
def test_a_bad_entry_says_file_place_reason_and_remedy(text_file: Write, media: Path, entry: Any, reason: str) -> None:
    rows = list(coin.rows(text_file("a.json", json.dumps([{"NLy71UrHElw": ENTRY}, entry])), media))
    assert any(isinstance(row, Row) and row.key == "NLy71UrHElw" for row in rows)
    bad = [row.reason for row in rows if isinstance(row, BadRow)]
    assert bad[0].startswith(reason.replace("MEDIA", str(media))), bad


def test_a_file_of_another_form_is_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(AnnotationError, match=r"b\.json: expected an object of videos by id, or a list of them; give"):
        coin.rows(text_file("b.json", '{"database": []}'), media)


@pytest.mark.parametrize(
    ("name", "split", "num_videos", "num_steps"),
    [("pdpp_coin_train_70.json", "train", 7064, 27826), ("pdpp_coin_test_30.json", None, 3006, 11583)],
)
def test_every_published_step_is_kept(
    published: Path, one_for_all: OneForAll, name: str, split: str | None, num_videos: int, num_steps: int
) -> None:
    path = published / "coin" / name
    media, id_map = one_for_all(video for entry in json.loads(path.read_text()) for video in entry)
    rows = list(coin.rows(path, media, split, id_map=id_map))
    samples = [row for row in rows if isinstance(row, Row)]
    assert len(samples) == len(rows) == num_videos and not any(row.dropped for row in samples)
    assert sum(len(row.records) for row in samples) == num_steps


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tmp_path: Path) -> None:
    path = text_file("COIN.json", json.dumps({"database": {Path(name).stem: ENTRY for name in CLIPS}}))
    options = ["--annotations", path, "--media", samples / "videos", "--split", "train"]
    assert decoded("coin", tmp_path / "out", *options) == STEPS * len(CLIPS)
