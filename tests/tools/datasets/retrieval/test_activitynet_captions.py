"""ActivityNet Captions rows: a video with its sentences as a paragraph or one by one, and their times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.from_files import CLIPS, decoded
from tools.datasets.retrieval import activitynet_captions
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
ENTRY = {
    "duration": 55.15,
    "timestamps": [[0.28, 55.15], [13.79, 54.32]],
    "sentences": ["A weight lifting tutorial is given.", "  The coach helps the guy in red."],
}
SEGMENTS = [
    {"caption": "A weight lifting tutorial is given.", "start": 0.28, "end": 55.15},
    {"caption": "  The coach helps the guy in red.", "start": 13.79, "end": 54.32},
]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("v_uqiMw7tQ1Cc.mp4", "b.mkv"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_a_video_is_a_paragraph_or_its_sentences(text_file: Write, media: Path) -> None:
    path = text_file("val_1.json", json.dumps({"v_uqiMw7tQ1Cc": ENTRY, "v_b": ENTRY}))
    first, second = activitynet_captions.rows(path, media)
    whole = "A weight lifting tutorial is given. The coach helps the guy in red."
    assert first == Row(
        "entry 'v_uqiMw7tQ1Cc' sentence 1",
        "v_uqiMw7tQ1Cc",
        ({"caption": whole, "segments": SEGMENTS},),
        {"id": "v_uqiMw7tQ1Cc", "duration": 55.15},
        media / "v_uqiMw7tQ1Cc.mp4",
    )
    assert isinstance(second, Row) and second.media_path == media / "b.mkv"
    listed = text_file("list.txt", "uqiMw7tQ1Cc\n")
    (row,) = activitynet_captions.rows(path, media, listed, "segments")
    assert isinstance(row, Row) and list(row.records) == SEGMENTS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"timestamps": [[0, 1]]},
            "malformed line: a.json entry 'v_b': expected as many sentences as timestamps, found 2 a",
        ),
        (
            {"sentences": None},
            "malformed line: a.json entry 'v_b': expected as many sentences as timestamps, found NoneTy",
        ),
        (
            {"timestamps": [], "sentences": []},
            "malformed line: a.json entry 'v_b': expected as many sentences as times",
        ),
        (
            {"timestamps": [3, [0, 1]]},
            "malformed line: a.json entry 'v_b' sentence 1: expected start and end in seconds",
        ),
        (
            {"timestamps": [[0, 1], [2, 1]]},
            "malformed line: a.json entry 'v_b' sentence 2: expected start and end in seconds, 0 <= start <= end, "
            "found 2 and 1; correct them",
        ),
        (
            {"sentences": ["", 3]},
            "no usable text: a.json entry 'v_b' sentence 1: video 'v_b' has no usable sentence (ent",
        ),
    ],
)
def test_a_bad_entry_says_file_place_reason_and_remedy(
    text_file: Write, media: Path, change: dict[str, Any], reason: str
) -> None:
    rows = list(activitynet_captions.rows(text_file("a.json", json.dumps({"v_b": {**ENTRY, **change}})), media))
    (bad,) = [row for row in rows if isinstance(row, BadRow)]
    assert bad.reason.startswith(reason), bad


def test_what_is_no_entry_or_no_video_is_refused(text_file: Write, media: Path) -> None:
    first, second = activitynet_captions.rows(text_file("a.json", json.dumps({"v_a": 3, "v_c": ENTRY})), media)
    assert isinstance(first, BadRow) and first.reason == (
        "malformed line: a.json entry 'v_a': expected an object with a sentence, found int"
    )
    assert isinstance(second, BadRow) and second.reason.startswith(
        f"media not found: a.json entry 'v_c' sentence 1: video 'v_c' with 2 sentence(s): no file under {media} for v_c"
    )
    with pytest.raises(AnnotationError, match=r'b\.json: expected \{"v_NAME": .*found list; give train\.json, val_1'):
        activitynet_captions.rows(text_file("b.json", "[]"), media)


def test_every_published_sentence_is_kept(published: Path, one_for_all: OneForAll) -> None:
    path = published / "activitynet_cap/val_1.json"
    media, id_map = one_for_all(json.loads(path.read_text()))
    rows = list(activitynet_captions.rows(path, media, id_map=id_map))
    samples = [row for row in rows if isinstance(row, Row)]
    assert len(samples) == len(rows) == 4917 and not any(row.dropped for row in samples)
    assert sum(len(row.records[0]["segments"]) for row in samples) == 17505
    assert all(s["end"] < row.meta["duration"] + 0.011 for row in samples for s in row.records[0]["segments"])


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tmp_path: Path) -> None:
    path = text_file("val_1.json", json.dumps({f"v_{Path(name).stem}": ENTRY for name in CLIPS}))
    options = ["--annotations", path, "--media", samples / "videos", "--text", "segments"]
    assert decoded("activitynet_captions", tmp_path / "out", *options) == SEGMENTS * len(CLIPS)
