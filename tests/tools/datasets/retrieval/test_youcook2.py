"""YouCook2 rows: a video with the sentences of its steps and their times, from the authors' json and MIL-NCE's csv."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.from_files import CLIPS, decoded
from tools.datasets.retrieval import youcook2
from tools.rows import AnnotationError, BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
ENTRY: dict[str, Any] = {
    "duration": 241.62,
    "subset": "training",
    "recipe_type": "113",
    "annotations": [
        {"segment": [90, 102], "id": 0, "sentence": "spread margarine on two slices of white bread"},
        {"segment": [114, 127], "id": 1, "sentence": "place a slice of cheese on the bread"},
    ],
    "video_url": "https://www.youtube.com/watch?v=GLd3aX16zBg",
}
STEPS = [
    {"caption": "spread margarine on two slices of white bread", "id": "0", "start": 90.0, "end": 102.0},
    {"caption": "place a slice of cheese on the bread", "id": "1", "start": 114.0, "end": 127.0},
]
VAL = {**ENTRY, "subset": "validation"}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media/validation/113").mkdir(parents=True)
    for name in ("GLd3aX16zBg.mp4", "validation/113/b.webm"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_a_video_has_its_steps_with_times(text_file: Write, media: Path) -> None:
    path = text_file("trainval.json", json.dumps({"database": {"GLd3aX16zBg": ENTRY, "b": VAL}}))
    facts = {name: ENTRY[name] for name in ("subset", "duration", "recipe_type", "video_url")}
    (row,) = youcook2.rows(path, media, "train")
    assert row == Row(
        "video 'GLd3aX16zBg' entry 1",
        "GLd3aX16zBg",
        tuple(STEPS),
        {"id": "GLd3aX16zBg", **facts},
        media / "GLd3aX16zBg.mp4",
    )
    (row,) = youcook2.rows(path, media, "val", "paragraph")
    assert isinstance(row, Row) and row.media_path == media / "validation/113/b.webm"
    assert row.records == ({"caption": f"{STEPS[0]['caption']} {STEPS[1]['caption']}", "segments": STEPS},)


def test_the_csv_of_milnce_gives_the_same_steps(text_file: Write, media: Path) -> None:
    path = text_file(
        "validation_youcook.csv", "end,start,task,text,video_id\n102,90,113,spread,b\n127,114.5,113,place,b\n"
    )
    (row,) = youcook2.rows(path, media)
    assert isinstance(row, Row) and row.media_path == media / "validation/113/b.webm"
    assert list(row.records) == [
        {"caption": "spread", "start": 90.0, "end": 102.0},
        {"caption": "place", "start": 114.5, "end": 127.0},
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (
            3,
            "malformed line: a.json entry 'b': expected a video with a subset and a list of annotations, found int; co",
        ),
        (
            {"subset": "validation"},
            "malformed line: a.json entry 'b': expected a video with a subset and a list of anno",
        ),
        (
            {**VAL, "subset": None},
            "malformed line: a.json entry 'b': expected a video with a subset and a list of anno",
        ),
        (
            {**VAL, "annotations": ["x"]},
            "malformed line: a.json video 'b' entry 1: expected an object with a step, found",
        ),
        (
            {**VAL, "annotations": [{"segment": [0, 1]}]},
            "malformed line: a.json video 'b' entry 1: no caption; it has v",
        ),
        (
            {**VAL, "annotations": [{"sentence": "c", "segment": [2, 1]}]},
            "malformed line: a.json video 'b' entry 1: expected start and end in seconds, 0 <= start <= end, found 2",
        ),
        (
            {**VAL, "annotations": [{"sentence": "c"}]},
            "malformed line: a.json video 'b' entry 1: expected start and end in seconds, 0 <= start <= end, found N",
        ),
        (
            {**VAL, "annotations": [{"sentence": " ", "segment": [0, 1]}]},
            "no usable text: a.json video 'b' entry 1: video 'b' has no usable step (video 'b' entry 1: caption empty)",
        ),
        (
            {**VAL, "annotations": []},
            "no usable text: a.json entry 'b': no step about video 'b' in a.json; give the file",
        ),
        (
            {**VAL, "recipe_type": "7"},
            "media not found: a.json video 'b' entry 1: video 'b' with 2 step(s): no file under MEDIA for b.(mp4, ...) "
            "or validation/7/b.(mp4, ...) or 7/b.(mp4, ...); check --media",
        ),
    ],
)
def test_a_bad_entry_says_file_place_reason_and_remedy(text_file: Write, media: Path, entry: Any, reason: str) -> None:
    path = text_file("a.json", json.dumps({"database": {"GLd3aX16zBg": VAL, "b": entry}}))
    rows = list(youcook2.rows(path, media))
    assert any(isinstance(row, Row) and row.key == "GLd3aX16zBg" for row in rows)
    bad = [row.reason for row in rows if isinstance(row, BadRow)]
    assert bad[0].startswith(reason.replace("MEDIA", str(media))), bad


def test_bad_lines_of_the_csv(text_file: Write, media: Path) -> None:
    lines = ["end,start,task,text,video_id", "1,0,113,c", "1,x,113,c,b", "1,0,113,c,", "1,0,113,,b"]
    assert [
        row.reason[:75] for row in youcook2.rows(text_file("a.csv", "\n".join(lines)), media) if isinstance(row, BadRow)
    ] == [
        "malformed line: a.csv line 2: 4 columns, the header has 5; put quotes aroun",
        "malformed line: a.csv line 3: expected start and end in seconds, 0 <= start",
        "malformed line: a.csv line 4: no video_id; it has end, start, task, text, v",
        "no usable text: a.csv line 5: video 'b' has no usable step (line 5: caption",
    ]


def test_files_and_options_that_do_not_fit_are_refused(text_file: Write, media: Path) -> None:
    path = text_file("a.json", json.dumps({"database": {"a": ENTRY, "b": VAL}}))
    with pytest.raises(OptionError, match=r"a\.json: holds the splits training, validation; say which with --split"):
        youcook2.rows(path, media)
    with pytest.raises(
        AnnotationError, match=r"b\.json: expected an object of videos by id, or a list of them; give the"
    ):
        youcook2.rows(text_file("b.json", "3"), media)
    with pytest.raises(OptionError, match=r"c\.csv: --split val is for files that hold several splits"):
        youcook2.rows(text_file("c.csv", "x"), media, "val")
    (bad,) = youcook2.rows(text_file("d.json", '{"database": {"a": 3}}'), media)
    assert isinstance(bad, BadRow)


@pytest.mark.parametrize(
    ("name", "split", "num_videos", "num_steps"),
    [
        ("youcookii_annotations_trainval.json", "train", 1333, 10337),
        ("youcookii_annotations_trainval.json", "val", 457, 3492),
        ("milnce_validation_youcook.csv", None, 436, 3350),
    ],
)
def test_every_published_step_is_kept(
    published: Path, one_for_all: OneForAll, name: str, split: str | None, num_videos: int, num_steps: int
) -> None:
    database = json.loads((published / "youcook2/youcookii_annotations_trainval.json").read_text())["database"]
    media, id_map = one_for_all(database)
    rows = list(youcook2.rows(published / "youcook2" / name, media, split, id_map=id_map))
    samples = [row for row in rows if isinstance(row, Row)]
    assert len(samples) == len(rows) == num_videos and not any(row.dropped for row in samples)
    steps = [step for row in samples for step in row.records]
    assert len(steps) == num_steps and all(0 <= step["start"] < step["end"] for step in steps)


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tmp_path: Path) -> None:
    path = text_file("trainval.json", json.dumps({"database": {Path(name).stem: ENTRY for name in CLIPS}}))
    options = ["--annotations", path, "--media", samples / "videos", "--split", "train"]
    assert decoded("youcook2", tmp_path / "out", *options) == STEPS * len(CLIPS)
