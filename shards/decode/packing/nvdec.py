"""What the video decoders (NVDEC) of a GPU take, as its driver says: codecs and sizes differ from GPU to GPU.

AV1 for one is decoded by Ampere of the GA10x kind, Ada and Blackwell, and not by Turing, GA100 and Hopper.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

_CODECS = {"mpeg4": 2, "h264": 4, "mjpeg": 5, "hevc": 8, "vp8": 9, "vp9": 10, "av1": 11}
"""cudaVideoCodec of NVIDIA's cuviddec.h by FFmpeg's names."""
_YUV420 = 1


class Limits(NamedTuple):
    """What a GPU's decoders take of one codec, with 8 bits and 4:2:0."""

    engines: int
    """Decoders that work side by side."""
    least: tuple[int, int]
    """(width, height) of coded pictures."""
    most: tuple[int, int]
    most_blocks: int
    """Blocks of 16x16 pixels."""

    def why_not(self, coded: tuple[int, int]) -> str | None:
        """The reason why a video with this coded (width, height) is not taken; None: it is."""
        said = f"{coded[0]}x{coded[1]}"
        if any(map(int.__lt__, coded, self.least)):
            return f"{said}; this GPU decodes it from {self.least[0]}x{self.least[1]} on"
        if any(map(int.__gt__, coded, self.most)) or coded[0] * coded[1] > 256 * self.most_blocks:
            return f"{said}; this GPU decodes it up to {self.most[0]}x{self.most[1]} and {self.most_blocks} blocks"
        return None


@cache
def limits_of(device: int, codec: str) -> Limits | None:
    """The limits of a CUDA device for a codec; None: it does not decode it, or its driver has no decoder at all."""
    if codec not in _CODECS:
        return None
    try:
        cuda, cuvid = ctypes.CDLL("libcuda.so.1"), ctypes.CDLL("libnvcuvid.so.1")
        caps = _Caps(codec=_CODECS[codec], chroma=_YUV420)
        with _context(cuda, device):
            _check(cuvid.cuvidGetDecoderCaps(ctypes.byref(caps)))
    except (OSError, AttributeError):  # the driver is not here, is too old, or cannot say
        return None
    if not caps.is_supported:
        return None
    sizes = (caps.min_width, caps.min_height), (caps.max_width, caps.max_height)
    return Limits(max(1, caps.engines), *sizes, caps.max_blocks)


def num_engines(device: int) -> int:
    """Decoders of a CUDA device that work side by side."""
    limits = limits_of(device, "h264")
    return 1 if limits is None else limits.engines


class _Caps(ctypes.Structure):
    """CUVIDDECODECAPS of cuviddec.h."""

    _fields_ = (
        ("codec", ctypes.c_int),
        ("chroma", ctypes.c_int),
        ("bits_over_8", ctypes.c_uint),
        ("reserved1", ctypes.c_uint * 3),
        ("is_supported", ctypes.c_ubyte),
        ("engines", ctypes.c_ubyte),
        ("output_formats", ctypes.c_ushort),
        ("max_width", ctypes.c_uint),
        ("max_height", ctypes.c_uint),
        ("max_blocks", ctypes.c_uint),
        ("min_width", ctypes.c_ushort),
        ("min_height", ctypes.c_ushort),
        ("histogram", ctypes.c_ubyte * 4),
        ("reserved3", ctypes.c_uint * 10),
    )


@contextmanager
def _context(cuda: ctypes.CDLL, device: int) -> Iterator[None]:
    """The context that torch and DALI have on a device, in which the driver answers. Raises OSError."""
    number, context = ctypes.c_int(), ctypes.c_void_p()
    _check(cuda.cuInit(0))
    _check(cuda.cuDeviceGet(ctypes.byref(number), device))
    _check(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), number))
    try:
        _check(cuda.cuCtxPushCurrent_v2(context))
        try:
            yield
        finally:
            cuda.cuCtxPopCurrent_v2(ctypes.byref(context))
    finally:
        cuda.cuDevicePrimaryCtxRelease_v2(number)


def _check(result: int) -> None:
    if result:
        raise OSError(f"the NVIDIA driver says error {result}")
