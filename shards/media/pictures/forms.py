"""The forms of pictures that are read here, told by their first bytes whatever a name says."""

from __future__ import annotations

from shards.base.errors import MediaError

_KNOWN = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
AVIF_BRANDS = (b"avif", b"avis")
_EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "WebP": "webp", "AVIF": "avif"}

READ = "JPEG, PNG, WebP or AVIF"
"""The forms to which other pictures are best converted."""


class WrongKind(MediaError):
    """A file that is no picture of a form read here; the message says what it is and what to do with it."""

    @property
    def advice(self) -> str:
        """The reason and what to do, which the message says."""
        return str(self)


def known_picture(data: bytes) -> str:
    """The form that the first bytes are those of: JPEG, PNG, GIF, BMP, TIFF, WebP or AVIF; "" for none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if set(brands(data)) & set(AVIF_BRANDS):
        return "AVIF"
    return next((name for start, name in _KNOWN if data.startswith(start)), "")


def picture_extension(data: bytes) -> str:
    """The extension of the form that the first bytes are those of, "" for none."""
    return _EXTENSIONS.get(known_picture(data), "")


def brands(data: bytes) -> list[bytes]:
    """The major brand of an ISO media file and its compatible ones; of another file none."""
    if data[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(data[:4], "big"), 256)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
