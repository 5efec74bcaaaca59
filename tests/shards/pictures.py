"""Pictures for tests: written by Pillow and FFmpeg in every form, and put together by hand."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan

FIELD = Path(__file__).resolve().parents[1] / "field"
ORIENTATION = 0x0112
FFMPEG = {
    "png": ("rgb24", "rgba", "rgb48be", "rgba64be", "gray", "ya8", "gray16be", "ya16be", "monob"),
    "bmp": ("bgra", "bgr24", "rgb565le", "rgb555le", "rgb444le", "rgb8", "rgb4_byte", "gray", "monob"),
    "tiff": ("rgb24", "rgb48le", "rgba", "rgba64le", "gray", "ya8", "gray16le", "ya16le", "monob", "monow", "yuv420p"),
    "mjpeg": ("yuvj420p", "yuvj422p", "yuvj444p"),
    "ljpeg": ("bgr24", "bgra", "yuvj420p", "yuvj444p"),
    "jpegls": ("rgb24", "gray", "gray16le"),
    "gif": ("rgb8", "gray", "bgr4_byte"),
    "libwebp": ("bgra", "yuv420p", "yuva420p"),
    "jpeg2000": ("rgb24", "gray16le", "yuv420p"),
    "targa": ("bgr24", "bgra", "rgb555le", "gray"),
    "ppm": ("rgb24", "rgb48be"),
    "pam": ("rgba", "ya16be"),
    "pcx": ("rgb24", "gray"),
    "sgi": ("rgb24", "gray16be"),
    "sunrast": ("bgr24",),
    "dpx": ("rgb24", "gbrp10le"),
    "exr": ("gbrpf32le",),
    "qoi": ("rgb24", "rgba"),
    "pfm": ("grayf32le",),
}
"""Encoders of pictures, and some of the pixel formats of each."""


def scene(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """Smooth, and no two of its eight turns alike."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, y * 255 / height, (x + 2 * y) * 80 / height], 2).clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it cannot keep of a mode
        image.save(out, form, **options)
    return out.getvalue()


def encoded(codec: str, pixels: str, picture: NDArray[np.uint8] | av.VideoFrame) -> bytes:
    """By one of FFmpeg's encoders, in one of its pixel formats; picture: RGB, or a frame in that format."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    is_full = codec == "mjpeg" or pixels.startswith(("gray", "ya"))
    if isinstance(picture, av.VideoFrame):
        frame = picture
    else:
        made = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame = made.reformat(format=pixels, dst_color_range=2 if is_full else None)
    context.height, context.width = frame.height, frame.width
    context.pix_fmt, context.time_base, context.thread_count = pixels, Fraction(1, 25), 1
    context.options = {"strict": "-1"}
    if is_full:
        context.color_range = 2
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def shown(data: bytes, height: int, width: int) -> NDArray[np.int64]:
    """The picture as it is decoded at this size."""
    return decode(data, "image", ClipPlan((0,), (height, width), (0, 0, height, width)))[0].astype(np.int64)


def oriented(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """What EXIF says is to be shown of stored pixels, by its definition: where row 0 and column 0 belong."""
    turned = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: stored.swapaxes(0, 1)[:, ::-1],
        7: stored.swapaxes(0, 1)[::-1, ::-1],
        8: stored.swapaxes(0, 1)[::-1],
    }
    return turned[orientation]


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[ORIENTATION] = orientation
    return made


def xmp(orientation: int) -> bytes:
    text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'
    return text.encode()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(png: bytes, *chunks: bytes, behind: bool = False) -> bytes:
    """A PNG with more chunks, in front of its pixels or behind them."""
    at = png.index(b"IEND" if behind else b"IDAT") - 4
    return png[:at] + b"".join(chunks) + png[at:]


def tiff(picture: NDArray[Any], tags: dict[int, tuple[int, ...]], order: str = "<") -> bytes:
    """A TIFF of one strip, uncompressed, put together by hand; tags: beside or in place of the usual ones."""
    rows = picture.astype(picture.dtype.newbyteorder(order)).tobytes()
    channels = picture.shape[2] if picture.ndim == 3 else 1
    fields = {
        256: (picture.shape[1],),
        257: (picture.shape[0],),
        258: (8 * picture.dtype.itemsize,) * channels,
        259: (1,),
        262: (2 if channels >= 3 else 1,),
        277: (channels,),
        278: (picture.shape[0],),
        **tags,
    }
    fields |= {273: (0,), 279: (len(rows),)}
    begin = 8 + 2 + 12 * len(fields) + 4
    outside = {tag: values for tag, values in sorted(fields.items()) if len(values) > 2}
    fields[273] = (begin + sum(2 * len(values) for values in outside.values()),)
    entries, extra = b"", b""
    for tag, values in sorted(fields.items()):
        kind = 4 if tag in (273, 279) else 3
        value = struct.pack(order + ("I" if kind == 4 else "H") * len(values), *values)
        if len(value) > 4:
            value, extra = struct.pack(order + "I", begin + len(extra)), extra + value
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "H", len(fields)) + entries + bytes(4) + extra + rows


def picture(form: str = "PNG", size: tuple[int, int] = (30, 20), mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, form, **options)
    return buffer.getvalue()
