"""MSR-VTT rows: one video with its captions, by split or by list, in every published form."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.from_files import decoded
from tools.datasets.retrieval import msrvtt
from tools.rows import AnnotationError, BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
VIDEO = {"category": 9, "url": "https://y/1", "video_id": "video1", "start time": 1.5, "end time": 9, "split": "train"}
CHALLENGE: dict[str, Any] = {
    "info": {},
    "videos": [VIDEO, {"video_id": "video2", "split": "validate"}, {"video_id": "video3", "split": "test"}],
    "sentences": [
        {"caption": "one", "video_id": "video1", "sen_id": 7},
        {"caption": "two", "video_id": "video2", "sen_id": 8},
        {"caption": "one again", "video_id": "video1", "sen_id": 9},
    ],
}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in ("video1.mp4", "2.mp4", "video7010.webm"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_a_split_of_the_challenge_has_all_captions_of_its_videos(text_file: Write, media: Path) -> None:
    path = text_file("MSRVTT_data.json", json.dumps(CHALLENGE))
    assert list(msrvtt.rows(path, media, split="train")) == [
        Row(
            "sentences entry 1",
            "video1",
            ({"caption": "one", "id": "7"}, {"caption": "one again", "id": "9"}),
            {"id": "video1", "category": 9, "url": "https://y/1", "start time": 1.5, "end time": 9},
            media / "video1.mp4",
        )
    ]
    for name in ("val", "validate"):
        (row,) = msrvtt.rows(path, media, split=name)
        assert isinstance(row, Row) and (row.key, row.media_path) == ("video2", media / "2.mp4")
    (silent,) = msrvtt.rows(path, media, split="test")
    assert isinstance(silent, BadRow) and silent.reason == (
        "no usable text: MSRVTT_data.json videos entry 3: no caption about video 'video3' in MSRVTT_data.json; give "
        "the file that has those of this split"
    )


def test_a_list_takes_its_videos_with_all_their_captions(text_file: Write, media: Path) -> None:
    path = text_file("MSRVTT_data.json", json.dumps(CHALLENGE))
    listed = text_file("MSRVTT_train.9k.csv", "video_id\nvideo2\nvideo9\n1\n2\n")
    rows = list(msrvtt.rows(path, media, videos=listed))
    assert [row.key for row in rows if isinstance(row, Row)] == ["video1", "video2"]
    assert [row.reason for row in rows if isinstance(row, BadRow)] == [
        "no usable text: MSRVTT_train.9k.csv line 3: no caption about video 'video9' in MSRVTT_data.json; give the "
        "file that has those of this split",
        "malformed line: MSRVTT_train.9k.csv line 5: the video 'video2' stands in line 2 already; remove one of them",
    ]


def test_pickled_captions_in_words_are_read_with_a_list(text_file: Write, media: Path) -> None:
    raw = text_file(
        "raw-captions.pkl", pickle.dumps({"video1": [["a", "dog"], ["it", "runs"]], "video2": [["two"]]}, 2)
    )
    (row,) = msrvtt.rows(raw, media, videos=text_file("list.csv", "video_id\n1\n"))
    assert isinstance(row, Row) and row.records == ({"caption": "a dog"}, {"caption": "it runs"})
    challenge = text_file("MSRVTT_data.pkl", pickle.dumps(CHALLENGE))
    assert [row.key for row in msrvtt.rows(challenge, media, split="train") if isinstance(row, Row)] == ["video1"]


def test_captions_of_lavender_are_read_in_both_of_their_forms(text_file: Write, media: Path) -> None:
    coco = {"images": [{"id": "video7010"}], "annotations": [{"image_id": "video7010", "caption": "c", "id": 4}]}
    (row,) = msrvtt.rows(text_file("val.caption_coco_format.json", json.dumps(coco)), media)
    assert isinstance(row, Row) and (row.key, row.records) == ("video7010", ({"caption": "c", "id": "4"},))
    lines = 'datasets/MSRVTT/video7010.mp4\t[{"caption": "one"}, {"caption": "two"}]\nvideo1\t["x"]\nvideo2\n'
    first, second, bad = msrvtt.rows(text_file("val.caption.tsv", lines), media)
    assert isinstance(first, Row) and (first.key, first.records) == (
        "video7010",
        ({"caption": "one"}, {"caption": "two"}),
    )
    assert isinstance(second, Row) and second.records == ({"caption": "x"},)
    assert isinstance(bad, BadRow) and "line 3: expected a name, a tab and a JSON list" in bad.reason


def test_one_video_is_one_key_in_every_form(text_file: Write, media: Path) -> None:
    entry = {"video": "video7010", "caption": "c"}
    files = [
        text_file("JSFUSION.csv", "key,vid_key,video_id,sentence\nret0,msr7010,video7010,c\n"),
        text_file("number.csv", "video_id,sentence\n7010,c\n"),
        text_file("test.jsonl", '{"clip_name": "video7010", "caption": "c"}\n'),
        text_file("malmm.json", json.dumps({"0": {**entry, "id": 0, "image_id": "video7010.mp4"}})),
        text_file("list.json", json.dumps([{"video_id": 7010, "caption": ["c"]}])),
        text_file("violet.json", json.dumps({"test": [entry]})),
    ]
    for path in files:
        (row,) = msrvtt.rows(path, media)
        assert isinstance(row, Row), row
        assert (row.key, row.media_path, row.meta) == ("video7010", media / "video7010.webm", {"id": "video7010"})
        assert [record["caption"] for record in row.records] == ["c"]
    ids = [row.records[0].get("id") for path in files for row in msrvtt.rows(path, media) if isinstance(row, Row)]
    assert ids == ["ret0", None, None, "0", None, None]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "malformed line: a.jsonl line 1: not JSON ("),
        ("[]", "malformed line: a.jsonl line 1: expected a JSON object, found list"),
        ('{"caption": "c"}', "malformed line: a.jsonl line 1: no video_id; it has caption"),
        ('{"video_id": "video1"}', "malformed line: a.jsonl line 1: no caption; it has video_id"),
        (
            '{"video_id": "video1", "caption": " "}',
            "no usable text: a.jsonl line 1: video 'video1' has no usable caption (line 1: caption empty); correct it",
        ),
        ('{"video_id": "video1", "caption": [3]}', "no usable text: a.jsonl line 1 caption 1: video 'video1' has no u"),
        ('{"video_id": "video1", "caption": []}', "no usable text: a.jsonl line 1: video 'video1' has no usable ca"),
        (
            '{"video_id": 9, "caption": "c"}',
            "media not found: a.jsonl line 1: video 'video9' with 1 caption(s): no file under MEDIA for video9.(mp4, "
            "...) or 9.(mp4, ...); check --media",
        ),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, line: str, reason: str) -> None:
    bad, good = msrvtt.rows(text_file("a.jsonl", line + '\n{"video_id": 2, "caption": "c"}\n'), media)
    assert isinstance(bad, BadRow) and bad.reason.startswith(reason.replace("MEDIA", str(media))), bad
    assert isinstance(good, Row) and good.record_id == "line 2"


@pytest.mark.parametrize(
    ("part", "entry", "reason"),
    [
        ("videos", 3, "videos entry 4: expected an object with a video, found int"),
        ("videos", {"split": "train"}, "videos entry 4: no video_id; it has split"),
        ("videos", {"video_id": "4"}, "videos entry 4: the video 'video4' has no split; write train, validate or test"),
        ("videos", VIDEO, "videos entry 4: the video 'video1' stands at videos entry 1 already; remove one of the two"),
        ("sentences", "x", "sentences entry 4: expected an object with a caption, found str"),
        ("sentences", {"video_id": "video1"}, "sentences entry 4: no caption; it has video_id"),
        ("sentences", {"caption": "c"}, "sentences entry 4: no video_id; it has caption"),
        (
            "sentences",
            {"video_id": "video8", "caption": "c"},
            "sentences entry 4: the video 'video8' is none of `videos`; correct the sentence or add the video",
        ),
    ],
)
def test_a_bad_entry_of_the_challenge_is_refused_alone(
    text_file: Write, media: Path, part: str, entry: Any, reason: str
) -> None:
    path = text_file("a.json", json.dumps({**CHALLENGE, part: [*CHALLENGE[part], entry]}))
    rows = list(msrvtt.rows(path, media, split="train"))
    assert [row.reason for row in rows if isinstance(row, BadRow)] == [f"malformed line: a.json {reason}"]
    assert [row.key for row in rows if isinstance(row, Row)] == ["video1"]


def test_options_that_do_not_fit_are_refused(text_file: Write, media: Path) -> None:
    path, one = text_file("data.json", json.dumps(CHALLENGE)), text_file("a.jsonl", "{}\n")
    with pytest.raises(OptionError, match=r"data\.json: holds the splits train, validate, test; say which with --spl"):
        msrvtt.rows(path, media)
    with pytest.raises(
        OptionError, match=r"data\.json: has no split '1k-A'; give one of those that it holds: train, v"
    ):
        msrvtt.rows(path, media, split="1k-A")
    with pytest.raises(OptionError, match=r"a\.jsonl: --split val is for files that hold several splits"):
        msrvtt.rows(one, media, split="val")
    with pytest.raises(OptionError, match=r"--split val and --videos .*: give one of the two"):
        msrvtt.rows(path, media, split="val", videos=one)
    with pytest.raises(AnnotationError, match=r"text\.json: expected a list or object of captions, found str"):
        msrvtt.rows(text_file("text.json", '"x"'), media)
    with pytest.raises(AnnotationError, match=r"no\.json: expected a list or object of videos, found NoneType"):
        msrvtt.rows(text_file("no.json", '{"sentences": []}'), media, split="train")


@pytest.mark.parametrize(
    ("name", "split", "num_videos", "num_captions"),
    [
        ("MSRVTT_JSFUSION_test.csv", None, 1000, 1000),
        ("milnce_msrvtt_test.csv", None, 1000, 1000),
        ("malmm_cap_val.json", None, 497, 9940),
        ("violet_txt_msrvtt-retrieval.json", "train", 196, 200),
        ("violet_txt_msrvtt-retrieval.json", "val", 50, 50),
        ("violet_txt_msrvtt-retrieval.json", "test", 50, 50),
    ],
)
def test_every_published_caption_is_kept(
    published: Path, one_for_all: OneForAll, name: str, split: str | None, num_videos: int, num_captions: int
) -> None:
    media, id_map = one_for_all(f"video{number}" for number in range(10_000))
    rows = list(msrvtt.rows(published / "msrvtt_ret" / name, media, split, id_map=id_map))
    samples = [row for row in rows if isinstance(row, Row)]
    assert len(samples) == len(rows) == num_videos
    assert sum(len(row.records) for row in samples) == num_captions and not any(row.dropped for row in samples)


def test_the_published_lists_are_7k_9k_and_1k(published: Path, one_for_all: OneForAll, text_file: Write) -> None:
    """Over a file of the challenge's form for all 10,000 videos: the real one is not here."""
    numbers = [(n, "train" if n < 6513 else "validate" if n < 7010 else "test") for n in range(10_000)]
    videos = [{"video_id": f"video{n}", "split": split} for n, split in numbers]
    sentences = [{"video_id": f"video{n}", "caption": "c", "sen_id": n} for n, _ in numbers]
    path = text_file("MSRVTT_data.json", json.dumps({"videos": videos, "sentences": sentences}))
    media, id_map = one_for_all(f"video{n}" for n, _ in numbers)

    def keys(split: str | None = None, name: str = "") -> set[str]:
        listed = published / "msrvtt_ret" / name if name else None
        rows = list(msrvtt.rows(path, media, split, listed, id_map))
        assert all(isinstance(row, Row) for row in rows)
        return {row.key for row in rows if isinstance(row, Row)}

    train, val, test = keys("train"), keys("val"), keys("test")
    assert (len(train), len(val), len(test)) == (6513, 497, 2990)
    train_7k, train_9k = keys(name="MSRVTT_train.7k.csv"), keys(name="MSRVTT_train.9k.csv")
    test_1k = keys(name="MSRVTT_JSFUSION_test.csv")
    assert (len(train_7k), len(train_9k), len(test_1k)) == (7010, 9000, 1000)
    assert train_7k == train | val and train_9k == (train | val | test) - test_1k


def test_the_splits_of_the_corpus(corpus: Path) -> None:
    notes, media = corpus / "annotations/msrvtt_like", corpus / "videos"
    id_map = notes / "video_id_to_file.json"
    for split, number in (("train", 119), ("val", 16), ("test", 32)):
        rows = list(msrvtt.rows(notes / "MSRVTT_data.json", media, split, id_map=id_map))
        assert len(rows) == number and all(isinstance(row, Row) and len(row.records) == 2 for row in rows)
    rows = list(msrvtt.rows(notes / "MSRVTT_data.json", media, None, notes / "MSRVTT_train.9k.csv", id_map))
    assert len(rows) == 135 and all(isinstance(row, Row) for row in rows)


def test_from_files_to_a_decoded_batch(corpus: Path, tmp_path: Path) -> None:
    notes = corpus / "annotations/msrvtt_like"
    options = ["--media", corpus / "videos", "--id-map", notes / "video_id_to_file.json"]
    pairs = ["--annotations", notes / "MSRVTT_JSFUSION_test.csv"]
    records = decoded("msrvtt", tmp_path / "1k", *pairs, *options, "--limit", "3")
    assert records[0] == {"caption": "a red flower blooms", "id": "ret0"} and len(records) == 3
    data = ["--annotations", notes / "MSRVTT_data.json", "--split", "val"]
    assert len(decoded("msrvtt", tmp_path / "val", *data, *options, "--limit", "2")) == 4
