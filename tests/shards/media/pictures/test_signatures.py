"""Files under a picture's name are called what they are, with what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shards.base.errors import MediaError
from shards.media.pictures.forms import WrongKind, known_picture
from shards.media.pictures.signatures import foreign_kind
from shards.media.probe import probe
from tests.shards.pictures import saved, scene


def _box(brand: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + bytes(200)


CONVERT = "convert it to JPEG, PNG, WebP or AVIF"
FILES = {
    "a HEIC picture": (_box(b"heic", b"mif1", b"heic"), CONVERT),
    "a HEIC picture ": (_box(b"mif1", b"mif1", b"heic"), CONVERT),
    "a JPEG XL picture": (b"\xff\x0a" + bytes(range(60)), CONVERT),
    "a JPEG XL picture ": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), CONVERT),
    "a JPEG 2000 picture": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60), CONVERT),
    "a Photoshop document": (b"8BPS\0\1" + bytes(60), CONVERT),
    "an SVG drawing": (b'<?xml version="1.0"?>\n<!-- made by -->\n<svg xmlns="x"/>', CONVERT),
    "an SVG drawing ": (b'\xef\xbb\xbf  <svg width="1">', CONVERT),
    "an HTML page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "fetch it again"),
    "an HTML page ": ("<html>nicht gefunden</html>".encode("utf-16"), "fetch it again"),
    "an XML text": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "fetch it again"),
    "a JSON text": (b'{"error": "rate limit"}', "fetch it again"),
    "a text": (b"Too many requests, come back later\n", "fetch it again"),
    "a git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
    "nothing but zero bytes": (bytes(5000), "fetch it again"),
    "an MP4 or QuickTime video": (_box(b"isom", b"avc1"), r"name it \.mp4"),
    "a Matroska or WebM video": (b"\x1aE\xdf\xa3" + bytes(60), r"name it \.mkv"),
    "an AVI video": (b"RIFF\0\0\0\0AVI LIST" + bytes(60), r"name it \.avi"),
    "a zip archive": (b"PK\3\4" + bytes(60), "give the pictures themselves"),
    "a PDF document": (b"%PDF-1.7\n", CONVERT),
    "a TGA picture": (saved(Image.fromarray(scene()), "TGA"), CONVERT),
    "a PNM picture": (b"P6\n# x\n2 2\n255\n" + bytes(range(1, 13)), CONVERT),
    "a raw picture of a camera": (_box(b"crx ", b"isom"), CONVERT),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_picture_read_here_is_named_with_what_to_do(kind: str) -> None:
    data, remedy = FILES[kind]
    for name in ("x.jpg", "x.png", "x.avif", "x.gif"):
        with pytest.raises(WrongKind, match=f"not a picture that is read here but {kind.strip()}.*; .*{remedy}"):
            probe(data, name)


def test_a_file_of_another_kind_is_not_to_be_fetched_again_a_broken_one_is() -> None:
    messages = []
    for data in (FILES["a HEIC picture"][0], b"\xff\xd8\xff\xe0broken"):
        with pytest.raises(MediaError) as caught:
            probe(data, "x.jpg")
        messages.append(caught.value.advice)
    assert messages[0].endswith("; convert it to JPEG, PNG, WebP or AVIF")
    assert messages[1].endswith("; fetch it again")


@given(st.binary(max_size=80))
def test_any_bytes_have_a_kind_or_none(data: bytes) -> None:
    ask: Callable[[bytes], object] = foreign_kind
    assert ask(data) is None or known_picture(data) in ("", "JPEG", "BMP")
