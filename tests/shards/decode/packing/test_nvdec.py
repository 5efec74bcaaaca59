"""The limits of NVDEC, asked of a driver that answers by NVIDIA's own header (the one in DALI's wheel)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from shards.decode.decoder import Unsuitable
from shards.decode.packing.nvdec import Limits
from shards.decode.packing.pack import packed
from shards.decode.packing.remux import GPU_CODECS, remux
from shards.media.facts import KeyFrames
from shards.media.partial import PartialMedium
from shards.media.probe import probe_table
from shards.media.videos.seekable import SEEKABLE_EXTENSIONS, usable

HOPPER = {
    "h264": Limits(7, (48, 16), (4096, 4096), 65536),
    "hevc": Limits(7, (144, 144), (8192, 8192), 262144),
    "vp8": Limits(7, (48, 16), (4096, 4096), 65536),
    "vp9": Limits(7, (128, 128), (8192, 8192), 262144),
    "mpeg4": Limits(7, (48, 16), (2032, 2032), 8192),
    "mjpeg": Limits(8, (64, 64), (32768, 16384), 67108864),
}
"""An H100 or H200, by NVIDIA's support matrix and NVDEC application note 13.0; not read from a device."""
DRIVER = """
#include "cuviddec.h"
static int pushed;
int cuInit(unsigned flags) { return flags; }
int cuDeviceGet(int *device, int number) { *device = 10 + number; return number > 1; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)(long)(device + 1); return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return 0; }
int cuCtxPushCurrent_v2(void *context) { pushed = (int)(long)context; return 0; }
int cuCtxPopCurrent_v2(void **context) { *context = 0; pushed = 0; return 0; }
int context_pushed(void) { return pushed; }
"""
DECODER = """
#include <string.h>
#include "cuviddec.h"
extern int context_pushed(void);
CUresult CUDAAPI cuvidGetDecoderCaps(CUVIDDECODECAPS *caps)
{
    if (context_pushed() != 11 || caps->eChromaFormat != cudaVideoChromaFormat_420 || caps->nBitDepthMinus8)
        return 201;
    if (caps->eCodecType == cudaVideoCodec_AV1)
        return 0;
    caps->bIsSupported = 1;
    caps->nNumNVDECs = 7;
    caps->nMinWidth = 48;
    caps->nMinHeight = 16;
    caps->nMaxWidth = caps->eCodecType == cudaVideoCodec_HEVC ? 8192 : 4096;
    caps->nMaxHeight = 2304;
    caps->nMaxMBCount = 36864;
    return 0;
}
"""
ASK = "import sys; from shards.decode.packing.nvdec import limits_of; import json; " + (
    "print(json.dumps([limits_of(int(sys.argv[1]), codec) for codec in sys.argv[2:]]))"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a driver that knows one kind of GPU."""
    spec, compiler = find_spec("nvidia.dali") if find_spec("nvidia") else None, shutil.which("gcc")
    if spec is None or spec.origin is None or compiler is None:
        pytest.skip("needs DALI's headers and gcc")
    folder = tmp_path_factory.mktemp("driver")
    headers = Path(spec.origin).parent / "include/dali/operators/video/dynlink_nvcuvid"
    (folder / "cuda.h").write_text(
        "#define CUDAAPI\n#define CUDA_VERSION 13000\n"
        "typedef int CUresult; typedef void *CUcontext, *CUstream, *CUarray; typedef unsigned long long CUdeviceptr;\n"
    )
    for name, source, needs in (("libcuda.so.1", DRIVER, []), ("libnvcuvid.so.1", DECODER, ["-l:libcuda.so.1"])):
        (folder / "made.c").write_text(source)
        build = [compiler, "-shared", "-fPIC", f"-I{folder}", f"-I{headers}", f"-L{folder}", str(folder / "made.c")]
        subprocess.run([*build, *needs, "-o", str(folder / name)], check=True)
    return folder


def ask(folder: Path, device: int, *codecs: str) -> list[Limits | None]:
    env = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    ran = subprocess.run(
        [sys.executable, "-c", ASK, str(device), *codecs], env=env, capture_output=True, check=True, timeout=100
    )
    return [
        None if found is None else Limits(found[0], tuple(found[1]), tuple(found[2]), found[3])
        for found in json.loads(ran.stdout)
    ]


def test_the_driver_says_what_the_gpu_decodes(driver: Path) -> None:
    h264 = Limits(7, (48, 16), (4096, 2304), 36864)
    assert ask(driver, 0, "h264", "hevc", "av1", "theora") == [h264, h264._replace(most=(8192, 2304)), None, None]


def test_a_device_that_is_not_there_and_a_driver_that_is_not_decode_nothing(driver: Path, tmp_path: Path) -> None:
    assert ask(driver, 2, "h264") == [None]
    shutil.copy(driver / "libcuda.so.1", tmp_path)
    assert ask(tmp_path, 0, "h264") == [None]


def test_sizes_beyond_the_limits_are_named_with_them() -> None:
    limits = HOPPER["h264"]
    assert limits.why_not((48, 16)) is limits.why_not((4096, 4096)) is None
    assert limits.why_not((32, 64)) == "32x64; this GPU decodes it from 48x16 on"
    assert limits.why_not((4112, 64)) == "4112x64; this GPU decodes it up to 4096x4096 and 65536 blocks"
    assert limits._replace(most_blocks=100).why_not((160, 176)) is not None


def test_a_clip_that_the_gpu_cannot_decode_is_left_to_the_cpu(make_clip: Callable[..., bytes]) -> None:
    with pytest.raises(Unsuitable, match="limits: h264: 32x32; this GPU decodes it from 48x16 on") as refused:
        remux(make_clip(2, (32, 32)), (0,), True, HOPPER.get)
    assert refused.value.reason == "limits"
    with pytest.raises(Unsuitable, match="codec: vp9, for which this GPU has no decoder"):
        remux(make_clip(2, codec="libvpx-vp9"), (0,), True, lambda codec: None)
    assert remux(make_clip(2), (0,), True, HOPPER.get).frames == (0,)


@pytest.mark.long
@pytest.mark.parametrize("limits", [HOPPER, HOPPER | {"av1": HOPPER["vp9"]}], ids=["Hopper", "Ada"])
def test_of_the_corpus_a_gpu_decodes_what_is_not_odd(corpus: Path, limits: dict[str, Limits]) -> None:
    """The counts of docs/decoding.md; none is left to the CPU for its size."""
    found = Counter[str]()
    for path in sorted((corpus / "videos").iterdir()):
        data = path.read_bytes()
        facts, rows = probe_table(data, path.name)
        table = KeyFrames.of(rows).without_marks()
        is_indexed = path.suffix[1:] in SEEKABLE_EXTENSIONS and usable(table, len(data))
        try:
            packed(PartialMedium.of_bytes(data, table) if is_indexed else data, (0,), True, limits.get)
            found[f"{facts.codec} GPU"] += 1
        except Unsuitable as unsuitable:
            found[f"{facts.codec} {unsuitable.reason}"] += 1
    av1 = {"av1 GPU": 8, "av1 pixel format": 1} if "av1" in limits else {"av1 codec": 9}
    others = {name: count for name, count in found.items() if name.partition(" ")[0] not in GPU_CODECS}
    assert all(name.endswith(" codec") for name in others) and sum(others.values()) == 13
    assert found - Counter(others) == {
        **av1,
        **{"h264 GPU": 90, "h264 pixel format": 5, "h264 hidden frames": 1, "h264 rotation": 1},
        **{"hevc GPU": 10, "hevc pixel format": 1, "vp8 GPU": 7, "vp9 GPU": 17, "mjpeg pixel format": 1},
        **{"mpeg4 GPU": 9, "mpeg4 time stamps": 2, "mpeg4 size": 1},
    }


def test_every_codec_for_the_gpu_is_one_that_the_driver_is_asked_about() -> None:
    assert set(HOPPER) | {"av1"} == set(GPU_CODECS)
