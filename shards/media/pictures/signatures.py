"""Name a file that is no picture read here by its first bytes, and say what to do with it.

Promises: looks at the first kilobyte (and the last bytes, where TGA says what it is), never raises, and says nothing
where it is not sure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shards.media.pictures.first_bytes import LFS_POINTER, answer, archive, compression
from shards.media.pictures.forms import AVIF_BRANDS, READ, brands


class _ForeignFile(NamedTuple):
    """A file that is no picture of a form read here."""

    name: str
    """The form with its article, e.g. "a HEIC picture"."""
    remedy: str
    """The advice to a user who expected a picture."""
    ext: str = ""
    """The extension under which a video of this form is read here; "" for all else."""


_CONVERT = f"convert it to {READ}"
_GIVE = "give the pictures themselves"
_FETCH = "a server's answer or a failed download has taken the place of the file: fetch it again"
_PICTURES = (
    (b"8BPS", "a Photoshop document (PSD)"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\xff\xd8\xff\xf7", "a JPEG-LS picture"),
    (b"BPG\xfb", "a BPG picture"),
    (b"qoif", "a QOI picture"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"icns", "an icon (ICNS)"),
    (b"DDS ", "a DDS texture"),
    (b"BLP1", "a BLP texture"),
    (b"BLP2", "a BLP texture"),
    (b"\x0a\5\1", "a PCX picture"),
    (b"LinS", "an MSP picture"),
    (b"DanM", "an MSP picture"),
    (b"Image type: ", "an IM picture"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"SDPX", "a DPX picture"),
    (b"XPDS", "a DPX picture"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"\x59\xa6\x6a\x95", "a Sun raster picture"),
    (b"\x01\xda", "an SGI picture"),
    (b"/* XPM", "an XPM picture"),
    (b"#define ", "an XBM picture"),
    (b"FUJIFILM", "a raw picture of a camera"),
    (b"IIRO", "a raw picture of a camera"),
    (b"IIU\0", "a raw picture of a camera"),
    (b"II\x1a\0\0\0HEAPCCDR", "a raw picture of a camera"),
    (b"II\xbc", "a JPEG XR picture"),
    (b"II\x2b\0", "a BigTIFF picture"),
    (b"MM\0\x2b", "a BigTIFF picture"),
    (b"AT&TFORM", "a DjVu document"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
)
_CONTAINERS = (
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video", "mkv"),
    (b"FLV\1", "an FLV video", "flv"),
    (b"OggS", "an Ogg file", "ogv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file", "wmv"),
    (b"\0\0\1\xba", "an MPEG video", "mpg"),
    (b"\0\0\1\xb3", "an MPEG video", "mpg"),
)
_OTHERS = (
    (b"PAR1", "a Parquet table"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"ID3", "an MP3 file"),
    (b"fLaC", "a FLAC file"),
    (b"\x7fELF", "a program"),
)
_TARGA = (b"\1\1", b"\0\2", b"\0\3", b"\1\x09", b"\0\x0a", b"\0\x0b")
"""Bytes 1 and 2 of the header: if there is a palette, and the type of the pixels."""
_TARGA_BITS = (b"\x08", b"\x0f", b"\x10", b"\x18", b"\x20")
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")


def foreign_kind(data: bytes) -> _ForeignFile | None:
    """The kind of file that begins with these bytes, if it is no picture read here; None where they do not say."""
    head = data[:1024]
    if not head.strip(b"\0"):
        return _ForeignFile("nothing but zero bytes", "the download or copy stopped: fetch it again")
    if head.startswith(LFS_POINTER):
        return _ForeignFile(
            "a git-lfs pointer, not the file itself", "run `git lfs pull` in its repository, or fetch it again"
        )
    for start, name in _PICTURES:
        if head.startswith(start):
            return _ForeignFile(name, _CONVERT)
    for start, name, ext in _CONTAINERS:
        if head.startswith(start):
            return _video(name, ext)
    packed, other = compression(head), archive(head)
    if packed or other:
        return _ForeignFile(f"{packed} file" if packed else f"{other} archive", _GIVE)
    for start, name in _OTHERS:
        if head.startswith(start):
            return _ForeignFile(name, _GIVE)
    if data[-18:-2] == b"TRUEVISION-XFILE" or (head[1:3] in _TARGA and head[16:17] in _TARGA_BITS):
        return _ForeignFile("a TGA picture", _CONVERT)
    return _of_boxes(head) or _of_riff(head) or _of_text(head)


def _video(name: str, ext: str) -> _ForeignFile:
    return _ForeignFile(name, f"name it .{ext}", ext)


def _of_boxes(head: bytes) -> _ForeignFile | None:
    found = brands(head)
    if set(found) & set(AVIF_BRANDS):
        return None
    if not found:
        return _video("a QuickTime video", "mov") if head[4:8] in (b"moov", b"mdat", b"wide") else None
    if found[0] == b"crx ":
        return _ForeignFile("a raw picture of a camera (CR3)", _CONVERT)
    if found[0] in _HEIC:
        return _ForeignFile("a HEIC picture", _CONVERT)
    return _video("an MP4 or QuickTime video", "mp4")


def _of_riff(head: bytes) -> _ForeignFile | None:
    if head[:4] != b"RIFF" or head[8:12] == b"WEBP":
        return None
    if head[8:12] == b"AVI ":
        return _video("an AVI video", "avi")
    return _ForeignFile("a WAV file" if head[8:12] == b"WAVE" else "a RIFF file, but no WebP", _GIVE)


def _of_text(head: bytes) -> _ForeignFile | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "replace").encode()
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if re.match(rb"p[1-7fx]\s", text):
        return _ForeignFile("a PNM picture (PBM, PGM, PPM, PAM)", _CONVERT)
    if re.match(rb"(<\?xml.*?)?(<!--.*?-->\s*|<!doctype svg.*?>\s*)*<svg[\s>]", text, re.DOTALL):
        return _ForeignFile("an SVG drawing", _CONVERT)
    said = answer(text)
    if said == "html" or b"<html" in text:
        return _ForeignFile("an HTML page", _FETCH)
    if text.startswith(b"<"):
        return _ForeignFile("an XML text", _FETCH)
    if said == "json":
        return _ForeignFile("a JSON text", _FETCH)
    if re.fullmatch(rb"[\t\n\r\x20-\x7e]{8,}", text):
        return _ForeignFile("a text", _FETCH)
    return None
