"""Lists: what an annotation file names is fetched to where the build of the same file looks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.datasets.pretraining import cc3m, webvid
from tools.fetch.download import Wanted
from tools.fetch.lists import LISTS, about_media
from tools.rows import AnnotationError, BadRow, Row

Write = Callable[[str, str | bytes], Path]
WEBVID = """videoid,contentUrl,duration,page_dir,name
21179416,https://ak.example.net/videos/21179416/preview/stock-a.mp4,PT00H00M11S,006001_006050,"A, b"
7,https://ak.example.net/videos/7/clip.WEBM?x=1,PT1S,nan,c
8,https://ak.example.net/8,PT1S,,d
9,,PT1S,a,no address
../../x,https://ak.example.net/x.mp4,PT1S,a,leads out
10,https://ak.example.net/x.mp4,PT1S,../up,leads out
.hidden,https://ak.example.net/x.mp4,PT1S,a,hidden
"""
CC3M = (
    "a cat\thttp://a.example.com/one.jpg?size=3\n"
    "a dog\thttp://b.example.com/two.PNG\n"
    "no address\n"
    "a cow\thttps://c.example.com/three\n"
)


def listed(name: str, path: Path, out: Path) -> list[Wanted | BadRow]:
    return list(LISTS[name].rows(path, out))


def test_webvid_videos_go_where_its_build_looks(text_file: Write, tmp_path: Path) -> None:
    path, out = text_file("w.csv", WEBVID), tmp_path / "out"
    rows = listed("webvid", path, out)
    names = [str(row.path.relative_to(out)) for row in rows if isinstance(row, Wanted)]
    assert names == ["006001_006050/21179416.mp4", "7.webm", "8.mp4"]
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert [row.record_id for row in bad] == ["line 5", "line 6", "line 7", "line 8"]
    assert all(row.reason.startswith("malformed line: w.csv line") for row in bad)
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"x")
    built = [row for row in webvid.rows(path, out) if isinstance(row, Row)]
    assert [str(row.media_path) for row in built] == [str(out / name) for name in names]


@pytest.mark.parametrize("header", ["", "caption\turl\n"])
def test_cc3m_pictures_go_where_its_build_looks(text_file: Write, tmp_path: Path, header: str) -> None:
    path, out = text_file("c.tsv", header + CC3M), tmp_path / "out"
    rows = listed("cc3m", path, out)
    names = [str(row.path.relative_to(out)) for row in rows if isinstance(row, Wanted)]
    assert names == ["00000/000000000.jpg", "00000/000000001.png", "00000/000000003.jpg"]
    (out / "00000").mkdir(parents=True)
    for name in names:
        (out / name).write_bytes(b"x")
    built = [row for row in cc3m.rows(path, out) if isinstance(row, Row)]
    assert [(row.media_path, row.record_id) for row in built] == [
        (row.path, row.place) for row in rows if isinstance(row, Wanted)
    ]


def test_cc12m_has_its_columns_the_other_way_round(text_file: Write, tmp_path: Path) -> None:
    lines = "".join(f"http://a.example.com/{n}.jpg\tcaption with http:// in it {n}\n" for n in range(3))
    rows = listed("cc12m", text_file("cc12m.tsv", lines), tmp_path)
    assert [row.url for row in rows if isinstance(row, Wanted)] == [f"http://a.example.com/{n}.jpg" for n in range(3)]


def test_the_gifs_of_tgif_keep_their_names(text_file: Write, tmp_path: Path) -> None:
    lines = "https://31.media.tumblr.com/00/tumblr_nd1_400.gif\ta man\nno url\tx\nhttps://a.example/%2e%2e\tup\n"
    rows = listed("tgif", text_file("t.tsv", lines), tmp_path)
    assert isinstance(rows[0], Wanted) and rows[0].path == tmp_path / "tumblr_nd1_400.gif"
    assert [isinstance(row, BadRow) for row in rows] == [False, True, True]


def test_a_file_that_is_no_list_is_told(text_file: Write, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no such file"):
        about_media(tmp_path / "no.csv")
    with pytest.raises(AnnotationError, match="contentUrl"):
        listed("webvid", text_file("x.csv", "a,b\n1,2\n"), tmp_path)
    assert about_media(text_file("y.tsv", CC3M)) == 4


def test_the_published_lists_are_read_whole(published: Path, tmp_path: Path) -> None:
    rows = listed("webvid", published / "webvid/video2dataset_test_webvid.csv", tmp_path)
    assert rows and all(isinstance(row, Wanted) for row in rows)
