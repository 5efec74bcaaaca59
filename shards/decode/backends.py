"""Decode backends: each is a function of (bytes, kind, clip plan) and keeps no state, so it needs no checkpoint.

Every backend executes the same plan and gives frames of the same shape; they differ only in colour conversion and
interpolation. A backend is imported when it is first asked for.

cpu         FFmpeg and Pillow on threads. Frames are numpy arrays.
dali-cuda   DALI on the GPU: NVDEC and nvJPEG. Frames are tensors there. Clips that it cannot decode correctly
            go to `cpu` one by one, counted by reason (shards/decode/dali/dali.py).
dali-cpu    DALI's CPU operators, for tests of that path and machines without a GPU. Frames are numpy arrays.
torchcodec-cuda, torchcodec-cpu
            torchcodec for videos: NVDEC, or the FFmpeg of the system. All else, and what it cannot decode correctly,
            goes to `cpu` in the same way (shards/decode/torchcodec/torchcodec.py).

The settings `dali` and `torchcodec` mean the one with -cuda where torch sees a CUDA device, else the one with -cpu;
`auto` means dali-cuda or `cpu`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

from shards.base.errors import NoDecoder
from shards.base.printing import logger
from shards.decode.decoder import Backend, Count, Decoder, DecodeSettings

_logger = logger(__name__)


_DEFAULT_SETTINGS = DecodeSettings()


def _no_count(way: str) -> None:
    pass


def open_backend(setting: str, count: Count = _no_count, settings: DecodeSettings = _DEFAULT_SETTINGS) -> Backend:
    """The backend of a setting of LoaderConfig.decode. Raises ValueError that lists the known ones, and NoDecoder."""
    if setting not in BACKENDS:
        raise ValueError(f"unknown decoder {setting!r}; known: {', '.join(sorted(BACKENDS))}")
    backend = BACKENDS[setting](count, settings)
    _log(backend.name, backend.reason)
    return backend


def open_decoder(setting: str) -> Decoder:
    """The decode function of a backend alone."""
    return open_backend(setting).decode


@cache
def _log(name: str, reason: str) -> None:
    """Log a choice once per process."""
    _logger.info("decode: %s, because %s", name, reason)


def _cpu(count: Count, settings: DecodeSettings) -> Backend:
    from shards.decode.cpu import decode

    return Backend("cpu", decode)


def _dali(count: Count, settings: DecodeSettings) -> Backend:
    if not _installed():
        raise NoDecoder(
            "decode: dali needs NVIDIA DALI, which is not installed here; install the extra (pip install "
            "'mcg-streams[dali]'), or set decode to cpu or auto"
        )
    from shards.decode.dali.dali import Dali

    no_gpu = _why_no_gpu()
    if no_gpu is not None:
        dali = Dali(None, count, settings)
        return Backend("dali-cpu", dali, f"the configuration says dali, and {no_gpu}", cpu=dali.cpu)
    import torch

    dali = Dali(torch.cuda.current_device(), count, settings)
    # One batch is prepared by its threads while another one runs.
    return Backend("dali-cuda", dali, waiting=2 * settings.gpu_clips, cpu=dali.cpu)


def _torchcodec(count: Count, settings: DecodeSettings) -> Backend:
    if find_spec("torchcodec") is None:
        raise NoDecoder(
            "decode: torchcodec needs torchcodec, which is not installed here; install the extra (pip install "
            "'mcg-streams[torchcodec]'), or set decode to cpu or auto"
        )
    try:
        from torchcodec import ffmpeg_major_version
    except (ImportError, OSError, RuntimeError) as error:
        raise NoDecoder(
            f"decode: torchcodec cannot load torchcodec ({next(iter(str(error).splitlines()), error)}); install the "
            "shared libraries of FFmpeg and the build of torchcodec that fits this torch, or set decode to cpu or auto"
        ) from error
    if ffmpeg_major_version is None:
        raise NoDecoder(
            "decode: torchcodec needs the shared libraries of FFmpeg 4 to 9, which are not installed here; install "
            "them (Debian, Ubuntu: apt-get install --no-install-recommends ffmpeg), or set decode to cpu or auto"
        )
    from shards.decode.torchcodec.torchcodec import TorchCodec

    no_gpu = _why_no_gpu() or _why_no_nvdec()
    if no_gpu is not None:
        decoder = TorchCodec(None, count, settings)
        return Backend("torchcodec-cpu", decoder, f"the configuration says torchcodec, and {no_gpu}", cpu=decoder.cpu)
    import torch

    from shards.decode.packing.nvdec import num_engines

    device = torch.cuda.current_device()
    decoder = TorchCodec(device, count, settings)
    waiting = settings.gpu_threads or 2 * num_engines(device)
    return Backend("torchcodec-cuda", decoder, waiting=waiting, cpu=decoder.cpu)


def _auto(count: Count, settings: DecodeSettings) -> Backend:
    missing = _why_no_gpu() or ("NVIDIA DALI is not installed (extra dali)" if not _installed() else _why_no_nvdec())
    if missing is not None:
        return _cpu(count, settings)._replace(reason=missing)
    return _dali(count, settings)._replace(reason="torch sees a CUDA device, and DALI and NVDEC are here")


def _installed() -> bool:
    try:
        return find_spec("nvidia.dali") is not None
    except ModuleNotFoundError:  # of the package above it
        return False


def _why_no_gpu() -> str | None:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver here (libcuda.so.1 cannot be loaded)"  # spares the import of torch
    import torch

    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def _why_no_nvdec() -> str | None:
    try:
        ctypes.CDLL("libnvcuvid.so.1")
    except OSError:
        return "the NVIDIA driver here has no video decoder (libnvcuvid.so.1 cannot be loaded)"
    return None


BACKENDS: dict[str, Callable[[Count, DecodeSettings], Backend]] = {
    "auto": _auto,
    "cpu": _cpu,
    "dali": _dali,
    "torchcodec": _torchcodec,
}
