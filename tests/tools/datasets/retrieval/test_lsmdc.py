"""LSMDC rows: a clip of a film with its sentence, from tab-separated files without a header and from LAVENDER's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.datasets.from_files import decoded
from tools.datasets.questions.lsmdc_fib import clip_names
from tools.datasets.retrieval import lsmdc
from tools.rows import BadRow, OptionError, Row, make_key

Write = Callable[[str, str | bytes], Path]
CLIP = "0001_American_Beauty_00.00.51.926-00.00.54.129"
TIMES = "00.00.51.926\t00.00.54.129\t00.00.51.426\t00.00.54.629"


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media/0001_American_Beauty").mkdir(parents=True)
    for name in (f"0001_American_Beauty/{CLIP}.avi", "b.avi"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_a_line_is_a_clip_in_the_folder_of_its_film(text_file: Write, media: Path) -> None:
    path = text_file("LSMDC16_annos_val.csv", f'{CLIP}\t{TIMES}\tSOMEONE says, "no", and goes.\r\n\r\n')
    assert list(lsmdc.rows(path, media)) == [
        Row(
            "line 1",
            make_key(CLIP),
            ({"caption": 'SOMEONE says, "no", and goes.'},),
            {"id": CLIP, "movie": "0001_American_Beauty"},
            media / f"0001_American_Beauty/{CLIP}.avi",
        )
    ]


def test_lavenders_json_and_clips_with_another_name(text_file: Write, media: Path) -> None:
    entries = [{"video": f"{CLIP}.avi", "caption": "c"}, {"video": "b", "caption": "d"}]
    path = text_file("lsmdc.json", json.dumps({"train": entries, "test": []}))
    first, second = lsmdc.rows(path, media, "train")
    assert isinstance(first, Row) and first.meta["id"] == CLIP
    assert isinstance(second, Row) and (second.key, second.media_path) == ("b", media / "b.avi")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            f"{CLIP}\tSOMEONE goes.",
            "malformed line: a.csv line 1: 2 field(s) separated by tabs, expected 6 (clip, start_aligned, ",
        ),
        (f"\t{TIMES}\tc", "malformed line: a.csv line 1: no clip; it has clip, start_aligned, "),
        (
            f"{CLIP}\t{TIMES}\t ",
            f"no usable text: a.csv line 1: video '{CLIP}' has no usable sentence (line 1: caption em",
        ),
        (
            f"c\t{TIMES}\tc",
            "media not found: a.csv line 1: video 'c' with 1 sentence(s): no file under MEDIA for c.(avi, ",
        ),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(text_file: Write, media: Path, line: str, reason: str) -> None:
    bad, good = lsmdc.rows(text_file("a.csv", f"{line}\nb\t{TIMES}\td\n"), media)
    assert isinstance(bad, BadRow) and bad.reason.startswith(reason.replace("MEDIA", str(media))), bad
    assert isinstance(good, Row) and good.record_id == "line 2"


def test_a_needless_split_is_refused(text_file: Write, media: Path) -> None:
    with pytest.raises(OptionError, match=r"a\.csv: --split val is for files that hold several splits"):
        lsmdc.rows(text_file("a.csv", "b\n"), media, "val")


@pytest.mark.parametrize(
    ("name", "num_clips", "num_movies"),
    [("tgif_gif2movie_MPII-MD.tsv", 6580, 14), ("fillin_references_val_new.csv", 7408, 12)],
)
def test_the_film_of_every_published_clip_is_known(published: Path, name: str, num_clips: int, num_movies: int) -> None:
    """These files have the ids of clips; the sentences of LSMDC are not published without a licence."""
    lines = (published / "lsmdc" / name).read_text().splitlines()
    clips = [line.split("\t")[0].removesuffix(".avi") for line in lines]
    folders = {clip_names(clip)[0].partition("/")[0] for clip in clips}
    assert (len(clips), len(folders)) == (num_clips, num_movies) and not folders & set(clips)


def test_the_splits_of_the_corpus(corpus: Path) -> None:
    notes = corpus / "annotations/lsmdc"
    for name, number in (("training", 15), ("val", 5), ("test", 5)):
        path = notes / f"LSMDC16_annos_{name}.csv"
        rows = list(lsmdc.rows(path, corpus / "videos", id_map=notes / "clip_id_to_file.json"))
        assert len(rows) == number and all(isinstance(row, Row) for row in rows)


def test_from_files_to_a_decoded_batch(corpus: Path, tmp_path: Path) -> None:
    notes = corpus / "annotations/lsmdc"
    options = ["--media", corpus / "videos", "--id-map", notes / "clip_id_to_file.json", "--limit", "3"]
    records = decoded("lsmdc", tmp_path / "out", "--annotations", notes / "LSMDC16_annos_test.csv", *options)
    assert records[:2] == [
        {"caption": "Three rodents look at SOMEONE."},
        {"caption": "A stream runs past the flowers."},
    ]
