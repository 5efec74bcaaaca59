"""MSVD rows: a YouTube clip with its captions, by list or split, under its name or its number."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.from_files import CLIPS, decoded
from tools.datasets.retrieval import msvd
from tools.rows import BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
NAME = "-4wsuPCjDBc_5_15"
ENTRY = {"image_id": f"{NAME}.avi", "caption": "a squirrel eats", "id": 3, "video": NAME, "frame_length": 72}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    for name in (f"{NAME}.avi", f"{NAME}.mp4", "vid2.avi"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_every_form_gives_the_avi_with_its_captions(text_file: Write, media: Path) -> None:
    coco = {"annotations": [{"image_id": NAME, "caption": "a squirrel eats", "id": 3}], "images": [{"id": NAME}]}
    files = [
        text_file("malmm.json", json.dumps({"0": ENTRY})),
        text_file("coco.json", json.dumps(coco)),
        text_file("lavender.json", json.dumps({"val": [{"video": NAME, "caption": ["a squirrel eats"]}]})),
        text_file("raw-captions.pkl", pickle.dumps({NAME: [["a", "squirrel", "eats"]]}, 2)),
        text_file("raw.json", json.dumps({NAME: [["a", "squirrel", "eats"]]})),
        text_file("texts.json", json.dumps({NAME: ["a squirrel eats"]})),
        text_file("a.jsonl", json.dumps({"image_id": f"{NAME}.avi", "caption": "a squirrel eats"}) + "\n"),
    ]
    for path in files:
        (row,) = msvd.rows(path, media)
        assert isinstance(row, Row), row
        assert (row.meta, row.media_path) == ({"id": NAME}, media / f"{NAME}.avi") and row.key.startswith(NAME)
        assert [record["caption"] for record in row.records] == ["a squirrel eats"]


def test_the_mapping_joins_names_and_numbers(text_file: Write, media: Path) -> None:
    mapping = text_file("youtube_mapping.txt", f"{NAME} vid1\nb_1_2 vid2\n")
    path = text_file("raw.json", json.dumps({"vid1": ["one"], NAME: ["two"], "b_1_2": ["three"]}))
    first, second = msvd.rows(path, media, id_map=mapping)
    assert isinstance(first, Row) and first.records == ({"caption": "one"}, {"caption": "two"})
    assert (first.meta["id"], first.media_path) == (NAME, media / f"{NAME}.avi")
    assert isinstance(second, Row) and (second.key, second.media_path) == ("b_1_2", media / "vid2.avi")
    listed = text_file("test_list.txt", "vid2\n")
    assert [row.record_id for row in msvd.rows(path, media, None, listed, mapping)] == ["entry 'b_1_2' caption 1"]
    numbered = text_file("id_map.json", json.dumps({"b_1_2": "vid2.avi"}))
    (row,) = msvd.rows(path, media, None, text_file("list.txt", "b_1_2\n"), numbered)
    assert isinstance(row, Row) and row.media_path == media / "vid2.avi"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"0": 3}, "malformed line: a.json entry '0': expected an object with a caption, found int"),
        ({"0": {"caption": "c"}}, "malformed line: a.json entry '0': no video; it has caption"),
        ({"0": {"video": "v"}}, "malformed line: a.json entry '0': no caption; it has video"),
        (
            {"0": {**ENTRY, "caption": ""}},
            f"no usable text: a.json entry '0': video '{NAME}' has no usable caption (ent",
        ),
        (
            {"0": {**ENTRY, "video": "b"}},
            "media not found: a.json entry '0': video 'b' with 1 caption(s): no file under MEDIA for b.(avi, ...); ",
        ),
        ({"x": 3, NAME: ["c"]}, "malformed line: a.json entry 'x': expected a list of captions, found int; correct it"),
        (
            {"x": [[1, 2]]},
            "no usable text: a.json entry 'x' caption 1: video 'x' has no usable caption (entry 'x' capt",
        ),
    ],
)
def test_a_bad_entry_says_file_place_reason_and_remedy(text_file: Write, media: Path, value: Any, reason: str) -> None:
    bad = next(iter(msvd.rows(text_file("a.json", json.dumps(value)), media)))
    assert isinstance(bad, BadRow) and bad.reason.startswith(reason.replace("MEDIA", str(media))), bad


def test_a_needless_split_is_refused(text_file: Write, media: Path) -> None:
    coco = text_file("coco.json", json.dumps({"annotations": []}))
    raw = text_file("raw.json", json.dumps({NAME: ["c"]}))
    for path in (coco, raw):
        with pytest.raises(OptionError, match=r"--split val is for files that hold several splits"):
            msvd.rows(path, media, "val")


@pytest.mark.parametrize("name", ["malmm_cap_val.json", "malmm_coco_gt_cap_val.json"])
def test_every_published_caption_is_kept(published: Path, one_for_all: OneForAll, name: str) -> None:
    entries = json.loads((published / "msvd_cap/malmm_cap_val.json").read_text()).values()
    media, id_map = one_for_all(entry["video"] for entry in entries)
    rows = list(msvd.rows(published / "msvd_cap" / name, media, id_map=id_map))
    samples = [row for row in rows if isinstance(row, Row)]
    assert len(samples) == len(rows) == 100
    assert sum(len(row.records) for row in samples) == 4290 and not any(row.dropped for row in samples)


def test_the_published_lists_are_train_and_test(published: Path, one_for_all: OneForAll, text_file: Write) -> None:
    """Over one caption for each of the 1,970 clips: the real captions of train and test are not here."""
    folder = published / "msvd_cap"
    val = {entry["video"] for entry in json.loads((folder / "malmm_cap_val.json").read_text()).values()}
    lists = {name: set((folder / f"{name}_list.txt").read_text().split()) for name in ("train", "test")}
    everything = val | lists["train"] | lists["test"]
    assert len(everything) == 1970
    path = text_file("raw-captions.json", json.dumps({video: [["a", "clip"]] for video in everything}))
    media, id_map = one_for_all(everything)
    for name, number in (("train", 1200), ("test", 670)):
        rows = list(msvd.rows(path, media, None, folder / f"{name}_list.txt", id_map))
        assert len(rows) == number and {row.meta["id"] for row in rows if isinstance(row, Row)} == lists[name]


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tmp_path: Path) -> None:
    names = [f"abc{number}_1_9" for number in range(len(CLIPS))]
    entries = [{"video": name, "image_id": f"{name}.avi", "caption": f"clip {name}"} for name in names for _ in "ab"]
    path = text_file("cap_val.json", json.dumps({str(n): {**entry, "id": n} for n, entry in enumerate(entries)}))
    id_map = text_file("map.json", json.dumps(dict(zip(names, CLIPS, strict=True))))
    options = ["--annotations", path, "--media", samples / "videos", "--id-map", id_map]
    assert decoded("msvd", tmp_path / "out", *options) == [
        {"caption": entry["caption"], "id": str(n)} for n, entry in enumerate(entries)
    ]
