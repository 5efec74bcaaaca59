"""CC12M rows: Google's file with the address first, in the folders that CC3M's pictures lie in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.datasets.from_files import decoded
from tools.datasets.pretraining import cc3m, cc12m
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    for name in ("images/a.jpg", "000000001.jpg", "00000/000000002.png", "named.jpg"):
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "media"


@pytest.mark.parametrize("header", ["", "url\tcaption\n"])
def test_pictures_are_found_by_path_row_number_and_name(text_file: Write, media: Path, header: str) -> None:
    lines = 'images/a.jpg\ta "quote\nhttp://h/1.jpg\tb\nhttp://h/2.jpg\tc\nhttp://h/x/named.jpg?s=1\t<PERSON> sits\n'
    rows = [row for row in cc12m.rows(text_file("cc12m.tsv", header + lines), media) if isinstance(row, Row)]
    assert [row.key for row in rows] == [f"{n:09d}" for n in range(4)]
    assert [str(row.media_path)[len(str(media)) + 1 :] for row in rows] == [
        "images/a.jpg",
        "000000001.jpg",
        "00000/000000002.png",
        "named.jpg",
    ]
    assert [row.records[0]["caption"] for row in rows] == ['a "quote', "b", "c", "<PERSON> sits"]
    assert rows[3].meta == {"id": "http://h/x/named.jpg?s=1"}


def test_the_file_of_the_other_set_is_told_in_both_directions(text_file: Write, media: Path) -> None:
    of_3m, of_12m = text_file("a.tsv", "a cat\thttps://h/1.jpg\n"), text_file("b.tsv", "https://h/1.jpg\ta cat\n")
    (bad,) = cc12m.rows(of_3m, media)
    assert bad == BadRow(
        "line 1",
        "malformed line: a.tsv line 1: the URL stands where the caption should, as in cc3m; build it as that",
    )
    (bad,) = cc3m.rows(of_12m, media)
    assert isinstance(bad, BadRow) and bad.reason.endswith("as in cc12m; build it as that")
    assert isinstance(next(iter(cc12m.rows(of_12m, media))), BadRow | Row)


def test_a_bad_line_and_a_wrong_form_say_the_order_of_the_columns(text_file: Write, media: Path) -> None:
    (bad,) = cc12m.rows(text_file("a.tsv", "only an address\n"), media)
    assert isinstance(bad, BadRow) and "line 1: expected url, tab, caption; found 1 field(s)" in bad.reason
    with pytest.raises(
        AnnotationError, match=r"a\.csv: cannot tell the form from \.csv; give .* \(url, tab, caption\)"
    ):
        cc12m.rows(text_file("a.csv", "x"), media)


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tmp_path: Path) -> None:
    names = [entry["image"] for entry in json.loads((samples / "cc3m/cc3m.json").read_text())][:3]
    path = text_file("cc12m.tsv", "".join(f"{name}\ta picture, {n}\n" for n, name in enumerate(names)))
    told = decoded("cc12m", tmp_path / "out", "--annotations", path, "--media", samples)
    assert told == [{"caption": f"a picture, {n}"} for n in range(3)]
