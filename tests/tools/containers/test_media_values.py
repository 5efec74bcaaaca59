"""Media as values of records: bytes, bytes with a path, paths, and lists of pictures."""

from __future__ import annotations

import pytest

from tests.tools.containers.given import CLIPS, FIXTURES, PICTURES
from tools.containers.media_values import Medium, NoMedium, medium_of, with_extension

ROOT = FIXTURES.parents[3]


@pytest.mark.parametrize(
    "name", ["sintel_walk.mkv", "tree_hand.avi", "coin_pen.mov", "bbb_grass.webm", "sintel_oldman.webm"]
)
def test_the_first_bytes_tell_the_extension(name: str) -> None:
    data = (ROOT / "samples/videos" / name).read_bytes()
    ext = with_extension(data).ext
    assert ext == {"sintel_oldman.webm": "mkv", "bbb_grass.webm": "mkv", "coin_pen.mov": "mp4"}.get(
        name, name.rpartition(".")[2]
    )


def test_a_wrong_extension_gives_way_and_an_unknown_form_keeps_its_own() -> None:
    assert with_extension(PICTURES[0], "a/b.png").ext == "jpg"
    assert with_extension(b"\x47" + bytes(range(200)), "x.TS").ext == "ts"
    with pytest.raises(NoMedium, match=r"no medium that is read here \(an HTML page; a server's answer"):
        with_extension(b"<!doctype html><html>", "a.jpg")
    with pytest.raises(NoMedium, match=r"no medium that is read here \(starts with 47"):
        with_extension(b"\x47" + bytes(range(200)), "x.exe")


def test_values_of_all_kinds() -> None:
    assert medium_of({"bytes": CLIPS[0], "path": None}) == Medium(CLIPS[0], "mp4")
    assert medium_of({"bytes": None, "path": "a/b.mp4"}) == "a/b.mp4" == medium_of("a/b.mp4")
    assert medium_of([PICTURES[0]]) == Medium(PICTURES[0], "jpg")
    frames = medium_of([{"bytes": picture, "path": "x"} for picture in PICTURES])
    assert isinstance(frames, Medium) and frames.ext == "zip" and medium_of(frames.data) == frames


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "is null"),
        ("", "the path is empty"),
        (b"", "is empty"),
        (3, "holds int, neither bytes nor a path; name another --media-column"),
        ({"path": None}, "is null"),
        ([], "holds 0 pictures"),
        (["a.jpg", "b.jpg"], "holds paths of several pictures"),
        ([PICTURES[0], CLIPS[0]], r"holds 2 pictures \(jpg, mp4\); a frame sample has 1 to 4096"),
    ],
)
def test_values_that_hold_no_medium(value: object, message: str) -> None:
    with pytest.raises(NoMedium, match=message):
        medium_of(value)
