"""The kind of what came, told by its first bytes, against what its name promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.fetch.content import check_content
from tools.fetch.failures import FetchFailed


def test_every_real_medium_passes_under_its_own_name(samples: Path) -> None:
    for path in [*(samples / "videos").iterdir(), *(samples / "images").iterdir()]:
        check_content(path.read_bytes()[:1024], path.name)


@pytest.mark.parametrize(
    ("head", "name", "kind", "reason"),
    [
        (b"", "a.jpg", "empty", "no byte"),
        (b"\xef\xbb\xbf  <!DOCTYPE HTML><p>", "a.jpg", "HTML page", "HTML page under the name of a .jpg"),
        (b"<html>", "a.mp4", "HTML page", "HTML page"),
        (b"<html>", "a.zip", "HTML page", "HTML page"),
        (b"<?xml version='1.0'?><Error>", "a.mp4", "wrong type", "an XML text, not a video"),
        (b'{"error": "gone"}', "a.jpg", "wrong type", "a JSON text, not a picture"),
        (b'{"error": "gone"}', "a.tar", "wrong type", "not a .tar file"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 60, "a.mp4", "wrong type", "a .jpg picture, not a video"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 60, "a.jpg", "wrong type", "an MP4 or QuickTime video, not a picture"),
        (b"PK\3\4" + b"\1" * 60, "a.mp4", "wrong type", "a zip archive"),
        (b"%PDF-1.4 xxxxxxx", "a.png", "wrong type", "a PDF document"),
        (b"not found at all", "a.mp4", "wrong type", "a text, not a video"),
        (b"<svg xmlns='x'>", "a.jpg", "wrong type", "an SVG drawing"),
        (b"\0" * 1024, "a.jpg", "wrong type", "nothing but zero bytes"),
    ],
)
def test_what_is_something_else_is_refused(head: bytes, name: str, kind: str, reason: str) -> None:
    with pytest.raises(FetchFailed, match=reason.replace(".", r"\.")) as caught:
        check_content(head, name)
    assert caught.value.kind == kind


def test_a_picture_of_another_form_and_texts_of_releases_pass(samples: Path) -> None:
    check_content((samples / "images/sk_text.png").read_bytes()[:1024], "a.jpg")
    check_content(b'{"a": 1}', "a.json")
    check_content(b"video_id\nvideo0\n", "a.csv")
