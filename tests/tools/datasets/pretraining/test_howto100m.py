"""HowTo100M rows: videos with the times of what is said, from objects of any size, with the facts of the list."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.from_files import CLIPS, decoded
from tools.datasets.pretraining import howto100m
from tools.rows import AnnotationError, BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
SAID = {"start": [0.5, 3], "end": [3.25, 9], "text": ["hello everyone", "today we bake, again"]}
LIST = "video_id,category_1,category_2,rank,task_id\nabc,Food and Entertaining,Recipes,17,9\n-x_9,Hobbies,,3,4\n"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("abc.webm", "-x_9.mp4", "c.mkv"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_what_is_said_becomes_segments_in_every_form(text_file: Write, media: Path) -> None:
    lists = [[1, 0.5, 3.25, "hello everyone"], [0, 3, 9, "today we bake, again"]]
    for path in (
        text_file("caption.json", json.dumps({"abc": SAID, "-x_9": SAID})),
        text_file("sentencified_htm_1200k.json", json.dumps({"abc": SAID, "-x_9": SAID}, indent=1)),
        text_file("htm_align.json", json.dumps({"abc": lists, "-x_9": lists})),
        text_file("sentencified.pickle", pickle.dumps({"abc": SAID, "-x_9": SAID})),
    ):
        first, second = howto100m.rows(path, media)
        assert isinstance(first, Row) and isinstance(second, Row)
        aligned = [{"alignable": True}, {"alignable": False}] if "align" in path.name else [{}, {}]
        assert first.records == (
            {"caption": "hello everyone", "start": 0.5, "end": 3.25} | aligned[0],
            {"caption": "today we bake, again", "start": 3.0, "end": 9.0} | aligned[1],
        )
        assert (first.record_id, first.key, first.meta) == ("entry 'abc' caption 1", "abc", {"id": "abc"})
        assert (first.media_path, second.media_path) == (media / "abc.webm", media / "-x_9.mp4")
        (paragraph,) = next(howto100m.rows(path, media, text="paragraph")).records  # type: ignore[union-attr]
        assert paragraph["caption"] == "hello everyone today we bake, again" and len(paragraph["segments"]) == 2


def test_a_list_takes_its_videos_with_their_facts(text_file: Write, media: Path) -> None:
    path = text_file("caption.json", json.dumps({"c": SAID, "abc": SAID}))
    row, unheard = howto100m.rows(path, media, text_file("HowTo100M_v1.csv", LIST))
    assert isinstance(row, Row) and row.meta == {
        "id": "abc",
        "category_1": "Food and Entertaining",
        "category_2": "Recipes",
        "rank": "17",
        "task_id": "9",
    }
    assert unheard == BadRow(
        "line 3",
        "no usable text: HowTo100M_v1.csv line 3: no captions of video '-x_9' in caption.json; give the file that has "
        "them, or accept the loss",
    )
    (row,) = howto100m.rows(path, media, text_file("how2_s3d_val.lst", "c\n"))
    assert isinstance(row, Row) and (row.key, row.meta) == ("c", {"id": "c"})


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (3, "malformed line: a.json entry 'abc': expected start, end and text, lists of one length, found int"),
        (
            {"start": [1]},
            "malformed line: a.json entry 'abc': expected start, end and text, lists of one length, found",
        ),
        ({**SAID, "end": [1]}, "malformed line: a.json entry 'abc': expected start, end and text"),
        ({**SAID, "end": []}, "malformed line: a.json entry 'abc': expected start, end and text"),
        ([[1, 2]], "malformed line: a.json entry 'abc': expected start, end and text"),
        ({"start": [], "end": [], "text": []}, "no usable text: a.json entry 'abc': video 'abc' has no captions"),
        ([], "no usable text: a.json entry 'abc': video 'abc' has no captions"),
        (
            {**SAID, "text": ["", " "]},
            "no usable text: a.json entry 'abc' caption 1: video 'abc' has no usable caption",
        ),
        ({"start": [9], "end": [1], "text": ["x"]}, "malformed line: a.json entry 'abc' caption 1: expected start and"),
    ],
)
def test_a_bad_entry_says_file_place_reason_and_remedy(text_file: Write, media: Path, entry: Any, reason: str) -> None:
    bad, good = howto100m.rows(text_file("a.json", json.dumps({"abc": entry, "c": SAID})), media)
    assert isinstance(bad, BadRow) and bad.reason.startswith(reason), bad.reason
    assert isinstance(good, Row)


def test_a_missing_video_is_named(text_file: Write, media: Path) -> None:
    (bad,) = howto100m.rows(text_file("a.json", json.dumps({"zzz": SAID})), media)
    assert isinstance(bad, BadRow) and bad.reason.startswith(
        "media not found: a.json entry 'zzz' caption 1: video 'zzz'"
    )


def test_features_where_videos_are_expected_are_told_in_one_line(text_file: Write, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features/abc.npy").touch()
    with pytest.raises(OptionError) as error:
        howto100m.rows(text_file("caption.json", "{}"), tmp_path / "features")
    assert str(error.value) == (
        f"{tmp_path}/features: holds features (abc.npy), and shards hold no features yet: captions are built over "
        "videos only; give the folder of the videos (.mp4, .webm, .mkv, ...)"
    )
    (tmp_path / "features/abc.webm").touch()
    assert list(howto100m.rows(text_file("caption.json", "{}"), tmp_path / "features")) == []


def test_the_list_is_no_annotation_file(text_file: Write, media: Path) -> None:
    with pytest.raises(AnnotationError, match=r"HowTo100M_v1\.csv: captions are in caption\.json.*a list of videos as"):
        howto100m.rows(text_file("HowTo100M_v1.csv", LIST), media)
    with pytest.raises(AnnotationError, match=r"a\.json character 1: expected an object"):
        list(howto100m.rows(text_file("a.json", "[]"), media))
    with pytest.raises(AnnotationError, match=r"a\.pkl: expected \{video: .* found list"):
        list(howto100m.rows(text_file("a.pkl", pickle.dumps([])), media))


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tmp_path: Path) -> None:
    names = [Path(clip).stem for clip in CLIPS]
    path = text_file("caption.json", json.dumps(dict.fromkeys(names, SAID)))
    told = decoded("howto100m", tmp_path / "out", "--annotations", path, "--media", samples / "videos")
    assert [record["caption"] for record in told] == SAID["text"] * 3 and told[1]["start"] == 3.0
