"""DALI shows what the CPU decoder shows, within stated tolerances; what it cannot is left to that, and counted.

Without a GPU these tests use DALI's CPU operators (VP8, VP9, MJPEG, pictures); with one they take all codecs as well.
"""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")

from shards.base.errors import DeviceFailed, MediaError
from shards.decode.backends import BACKENDS
from shards.decode.cpu import decode
from shards.decode.dali.dali import Dali
from shards.decode.dali.pipeline import ClipPipeline
from shards.decode.decoder import Backend
from shards.loader.loader import Loader
from shards.loader.metrics import to_json_line, to_prometheus
from shards.media.clip_plan import ClipPlan
from shards.media.frames import pack_frames
from shards.media.probe import probe
from shards.media.randaugment import Op
from shards.media.videos.video import demux, open_video
from tests.shards.decode.mixed_loader import encode, loader_settings, write_mixed
from tests.shards.decode.twins import MEDIA, compare, difference, is_video, on_cpu, wrong_numbers
from tests.shards.far_folder import WAIT
from tests.shards.pictures import FFMPEG, encoded, saved, scene

GPU = torch.cuda.current_device() if torch.cuda.is_available() else None
DEVICES = [None] if GPU is None else [None, GPU]
HERE = {"vp8", "vp9", "mjpeg", "jpeg", "png", "webp"}
EVERYWHERE = HERE | {"h264", "hevc", "av1", "mpeg4"}
# Without a GPU: what DALI takes there, and one that it does not.
SHOWN = [
    path
    for path in MEDIA
    if GPU is not None or path.suffix in (".webm", ".jpg", ".png", ".webp") or "2.mp4" in path.name
]
SHOWN += [path for path in MEDIA if "mjpeg" in path.name]
SIZE = (64, 96)
REPOSITORY = Path(__file__).resolve().parents[4]


class Counted:
    """A decoder and the ways that its clips went."""

    def __init__(self, device: int | None) -> None:
        self.ways: Counter[str] = Counter()
        self.codecs = HERE if device is None else EVERYWHERE
        self.decode = Dali(device, lambda way: self.ways.update([way]))


@pytest.fixture(params=DEVICES, ids=lambda device: "cpu" if device is None else "gpu")
def dali(request: pytest.FixtureRequest) -> Counted:
    return Counted(request.param)


def whole(*frames: int, size: tuple[int, int] = SIZE, flip: bool = False) -> ClipPlan:
    return ClipPlan(frames, size, (0, 0, *size), flip)


# ------------------------------------------------------------ parity


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_it_shows_what_its_twin_shows(dali: Counted, path: Path) -> None:
    codec, found = compare(path, dali.decode, decode)
    if dali.ways["dali"]:
        assert codec in dali.codecs and all(apart.within(codec) for apart in found), (codec, found)
    else:
        assert all(apart == (0, 0) for apart in found)


def test_it_decodes_what_it_says_it_can(dali: Counted) -> None:
    done = set()
    for path in SHOWN:
        facts = probe(path.read_bytes(), path.name)
        before = dali.ways["dali"]
        dali.decode(path.read_bytes(), facts.kind, whole(0))
        if dali.ways["dali"] > before:
            done.add(facts.codec)
    assert done == dali.codecs


@pytest.mark.parametrize("path", [path for path in SHOWN if is_video(path)], ids=lambda path: path.name)
def test_it_shows_the_frames_that_were_asked_for(dali: Counted, path: Path) -> None:
    assert not wrong_numbers(path, dali.decode, decode)


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx", "mjpeg"])
def test_frames_come_by_number_in_any_order_repeated_or_not(
    dali: Counted, make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int], codec: str
) -> None:
    frames = (37, 0, 12, 12, 39, 1, 0)
    clip = dali.decode(make_clip(40, SIZE, codec), "video", whole(*frames))
    assert tuple(clip.shape) == (7, *SIZE, 3) and dali.ways == {"dali": 1}
    assert tuple(map(read_number, on_cpu(clip))) == frames


@settings(max_examples=40)
@given(
    frames=st.lists(st.integers(0, 39), min_size=1, max_size=5),
    top=st.integers(0, 60),
    left=st.integers(0, 90),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    flip=st.booleans(),
)
def test_any_plan_is_met(
    make_clip: Callable[..., bytes], frames: list[int], top: int, left: int, height: int, width: int, flip: bool
) -> None:
    media = make_clip(40, SIZE, "libvpx-vp9")
    plan = ClipPlan(tuple(frames), (100, 130), (top, left, height, width), flip)
    ours, theirs = DECODE(media, "video", plan), decode(media, "video", plan)
    assert ours.shape == plan.shape and ours.dtype == np.uint8
    # Of a few pixels one edge between colours may be most; the two scale up colours differently.
    assert difference(ours, theirs).mean < 4 + 20 / (height * width) ** 0.5


def test_randaugment_is_done_as_by_the_cpu_decoder(dali: Counted, make_clip: Callable[..., bytes]) -> None:
    media, picture = make_clip(5, SIZE, "libvpx-vp9"), next(path for path in MEDIA if path.suffix == ".jpg")
    plan = ClipPlan((0, 0), SIZE, (0, 0, *SIZE), False, (Op("contrast", 1.5), Op("translate_x", 9.0)))
    for data, kind in ((media, "video"), (picture.read_bytes(), "image")):
        ours, theirs = dali.decode(data, kind, plan), decode(data, kind, plan)
        assert difference(ours, theirs).mean < 4 and dali.ways.total() == dali.ways["dali"]


DECODE = Dali(None, lambda way: None)


@lru_cache
def _colours(space: int) -> bytes:
    """A VP9 video of saturated colours that says which colour space it is in."""
    buffer = io.BytesIO()
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(40, 216, (4, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    with av.open(buffer, "w", format="webm") as container:
        stream = container.add_stream(
            "libvpx-vp9", rate=25, options={"cpu-used": "8", "deadline": "realtime", "crf": "5"}
        )
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.colorspace = space
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=space)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("space", [1, 5, 9])
def test_colours_are_those_of_the_stream(dali: Counted, space: int) -> None:
    plan = whole(0)
    ours, theirs = dali.decode(_colours(space), "video", plan), decode(_colours(space), "video", plan)
    assert dali.ways == {"dali": 1}
    bias = np.abs((on_cpu(ours) - on_cpu(theirs)).mean(axis=(0, 1, 2)))
    assert difference(ours, theirs).mean < 3 and bias.max() < 3


# ------------------------------------------------------------ the CPU decoder stands in


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("codec", {"codec": "libx264"}),
        ("short", {"codec": "libvpx-vp9", "num_frames": 10}),
    ],
)
def test_what_it_is_not_given_is_counted_by_reason(
    make_clip: Callable[..., bytes], reason: str, options: dict[str, object]
) -> None:
    dali = Counted(None)
    media = make_clip(**({"num_frames": 11} | options))
    plan = whole(0, 10)
    try:
        frames = dali.decode(media, "video", plan)
    except MediaError as error:
        with pytest.raises(MediaError, match="10 were counted"):
            decode(media, "video", plan)
        assert "frame 10 was planned" in str(error)
    else:
        assert np.array_equal(on_cpu(frames), decode(media, "video", plan))
    assert dali.ways == {f"cpu: {reason}": 1}


def test_a_cut_video_is_not_shown_shorter(dali: Counted, make_clip: Callable[..., bytes]) -> None:
    media = make_clip(40, SIZE, "libvpx-vp9")
    cut = media[: len(media) // 2]
    with pytest.raises(MediaError, match="frame 39 was planned but"):
        dali.decode(cut, "video", whole(0, 39))
    assert tuple(dali.decode(cut, "video", whole(0, 1)).shape) == (2, *SIZE, 3)
    assert dali.ways["dali"] + dali.ways.total() <= 3


def test_after_a_refusal_the_next_clip_is_decoded(dali: Counted, make_clip: Callable[..., bytes]) -> None:
    media = make_clip(40, SIZE, "libvpx-vp9")
    at = len(media) // 3
    torn = media[:at] + bytes(400) + media[at + 400 :]
    for _ in range(2):
        try:
            dali.decode(torn, "video", whole(0, 39))
        except MediaError as error:
            assert "frame" in str(error)
        assert dali.decode(media, "video", whole(39)).shape[0] == 1
    assert dali.ways["dali"] >= 2


def test_a_pipeline_that_refused_a_clip_is_used_again_as_long_as_it_works(
    make_clip: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ClipPipeline] = []

    class Noted(ClipPipeline):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr("shards.decode.dali.batches.ClipPipeline", Noted)
    dali, media = Counted(None), make_clip(40, SIZE, "libvpx-vp9")
    expected = dali.decode(media, "video", whole(5))
    with open_video(media) as (container, stream):
        second = [bytes(packet) for packet in demux(container, stream) if packet.size][1]
    torn = media.replace(second, second[:4] + bytes(len(second) - 4))
    for _ in range(3):
        with suppress(MediaError):
            dali.decode(torn, "video", whole(5))
        assert np.array_equal(on_cpu(dali.decode(media, "video", whole(5))), on_cpu(expected))
    assert dali.ways == {"dali": 4, "cpu: refused": 3} and len(made) == 1
    monkeypatch.setattr(made[0], "still_works", lambda: False)
    with suppress(MediaError):
        dali.decode(torn, "video", whole(5))
    assert np.array_equal(on_cpu(dali.decode(media, "video", whole(5))), on_cpu(expected)) and len(made) == 2


def test_a_picture_is_shown_as_often_as_planned(dali: Counted) -> None:
    path = next(path for path in MEDIA if path.suffix == ".jpg")
    clip = dali.decode(path.read_bytes(), "image", ClipPlan((0, 0, 0), (50, 60), (5, 5, 40, 40), True))
    assert tuple(clip.shape) == (3, 40, 40, 3) and bool((clip[0] == clip[2]).all()) and dali.ways == {"dali": 1}


def test_stored_frames_are_pictures_by_number(dali: Counted) -> None:
    paths = [path for path in MEDIA if path.suffix == ".jpg"][:3]
    media = pack_frames([path.read_bytes() for path in paths], "jpg", 1.0, 3.0, (0.0, 1.0, 2.0))
    plan = ClipPlan((2, 0, 0), (50, 60), (5, 5, 40, 40), True)
    ours, theirs = dali.decode(media, "frames", plan), decode(media, "frames", plan)
    assert dali.ways == {"dali": 1} and tuple(ours.shape) == (3, 40, 40, 3)
    assert difference(ours, theirs).mean < 3
    with pytest.raises(MediaError, match="frame 3 was planned but 3 are stored"):
        dali.decode(media, "frames", ClipPlan((3,), (50, 60), (5, 5, 40, 40)))


def test_all_frames_are_of_one_kind_whatever_decoded_them(dali: Counted, make_clip: Callable[..., bytes]) -> None:
    plan = whole(0, 1)
    clips = [dali.decode(make_clip(3, SIZE, codec, rotation), "video", plan) for codec, rotation in CLIPS]
    assert len({type(clip) for clip in clips}) == 1
    assert len({str(getattr(clip, "device", "")) for clip in clips}) == 1


CLIPS = (("libvpx-vp9", 0), ("libx264", 180), ("libvpx", 0))


# ------------------------------------------------------------ threads and memory


def test_frames_stay_what_they_were_when_the_pipeline_runs_again(
    dali: Counted, make_clip: Callable[..., bytes]
) -> None:
    media = make_clip(40, SIZE, "libvpx-vp9")
    first = dali.decode(media, "video", whole(1, 2))
    before = on_cpu(first).copy()
    for number in range(10):
        dali.decode(media, "video", whole(number + 20, 3))
    assert np.array_equal(on_cpu(first), before)


def test_frames_are_not_copied_on_their_way_out(make_clip: Callable[..., bytes]) -> None:
    frames = DECODE(make_clip(5, SIZE, "libvpx-vp9"), "video", whole(0))
    assert isinstance(frames, np.ndarray) and frames.base is not None and frames.flags.c_contiguous


def test_threads_that_decode_together_get_what_they_get_alone(dali: Counted, make_clip: Callable[..., bytes]) -> None:
    media = make_clip(40, SIZE, "libvpx-vp9")
    alone = on_cpu(dali.decode(media, "video", whole(7, 30)))
    barrier = threading.Barrier(3)

    def work(_: int) -> bool:
        barrier.wait()
        return all(np.array_equal(on_cpu(dali.decode(media, "video", whole(7, 30))), alone) for _ in range(5))

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(work, range(3)))


@pytest.mark.skipif(GPU is not None, reason="there is a GPU here")
def test_a_gpu_that_is_gone_is_named_with_the_remedy(make_clip: Callable[..., bytes]) -> None:
    media = make_clip(3, SIZE, "libvpx-vp9")
    with pytest.raises(DeviceFailed, match=r"^GPU 0 fails while decoding: .+; look at nvidia-smi;.*decode: cpu$"):
        Dali(0, lambda way: None)(media, "video", whole(0))


# ------------------------------------------------------------ in a loader


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VP9, H.264 and a picture by turns, twelve samples; one is no video at all."""
    return write_mixed(
        tmp_path_factory.mktemp("mixed"), ("sintel_oldman.webm", "tree_window.mp4", "sl_flower.jpg", "bbb_grass.webm")
    )


def wait_until_made(loader: Loader, num_batches: int) -> None:
    """Wait until a loader has made so many batches, handed over or not."""
    until = time.monotonic() + WAIT
    while loader.stats.snapshot().times["collate"].count < num_batches:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_loader_gives_the_same_batches_as_with_the_cpu_decoder(mixed: Path) -> None:
    batches = {}
    for name in ("cpu", "dali"):
        with Loader(loader_settings(mixed, name), 0, 1, encode) as loader:
            batches[name] = [next(loader) for _ in range(5)]
            wait_until_made(loader, 7)  # so that the last one is found made, with its bytes
            batches[name].append(next(loader))
            snapshot = loader.stats.snapshot()
            assert loader.state_dict()["decoder"] == (
                "cpu" if name == "cpu" else "dali-cpu" if GPU is None else "dali-cuda"
            )
            assert loader.quarantined() == {"mixed": {"decode": 2}}
    for ours, theirs in zip(batches["dali"], batches["cpu"], strict=True):
        assert ours.meta == theirs.meta and ours.origins == theirs.origins
        assert difference(ours.frames, theirs.frames).mean < 3
        assert (str(getattr(ours.frames, "device", "cpu")) != "cpu") == (GPU is not None)
        assert ours.frames.nbytes == theirs.frames.nbytes
    ways = snapshot.decoded
    assert ways["dali"] >= 12 and ways["cpu: damaged"] >= 2 and ("cpu: codec" in ways) == (GPU is None)
    assert snapshot.queue.last_bytes > 0
    text = to_prometheus(snapshot)
    assert f'shards_loader_decoded_total{{by="dali",reason=""}} {ways["dali"]}' in text
    assert f'shards_loader_decoded_total{{by="cpu",reason="damaged"}} {ways["cpu: damaged"]}' in text
    assert json.loads(to_json_line(snapshot))["decoded"] == ways


@pytest.mark.skipif(GPU is not None, reason="there is a GPU here")
def test_a_gpu_that_is_gone_stops_a_run_in_one_line(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "dali", lambda count, _: Backend("dali-cuda", Dali(0, count), waiting=32))
    with (
        Loader(loader_settings(mixed, "dali"), 0, 1, encode) as loader,
        pytest.raises(DeviceFailed, match=r"^mixed/00000\d\.tar:0\d\d: GPU 0 fails while decoding: [^\n]+$"),
    ):
        next(loader)


def test_evaluation_masks_what_failed(mixed: Path) -> None:
    with Loader(loader_settings(mixed, "dali", mode="eval", batch_size=5), 0, 1, encode) as loader:
        batches = list(loader)
    assert [batch.valid.tolist() for batch in batches] == [
        [True] * 5,
        [True] * 3 + [False, True],
        [True] * 2 + [False] * 3,
    ]
    assert len({type(batch.frames) for batch in batches}) == 1


def test_a_resume_under_another_decoder_is_told(mixed: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Loader(loader_settings(mixed, "cpu"), 0, 1, encode) as loader:
        next(loader)
        state = loader.state_dict()
        rest = next(loader).meta
    with (
        Loader(loader_settings(mixed, "dali"), 0, 1, encode) as loader,
        caplog.at_level(logging.WARNING, "shards.loader.loader"),
    ):
        loader.load_state_dict(state)
        assert next(loader).meta == rest
        own = loader.state_dict()["decoder"]
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith(f"resumed with decoder {own} (")
    assert "saved with cpu: the same frames, but their values differ a little" in caplog.messages[0]


def test_a_loader_left_early_ends_its_process_cleanly(mixed: Path) -> None:
    script = (
        "import sys; from tests.shards.decode.mixed_loader import Path, encode, loader_settings; "
        "from shards.loader.loader import Loader\n"
        "loader = Loader(loader_settings(Path(sys.argv[1]), 'dali'), 0, 1, encode)\n"
        "print(next(loader).frames.shape)\n"
    )
    command = [sys.executable, "-c", script, str(mixed)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0 and "(4, 2, 32, 32, 3)" in done.stdout.replace(
        "torch.Size([4, 2, 32, 32, 3])", str((4, 2, 32, 32, 3))
    )


def test_hostile_containers_do_not_end_the_process(corpus: Path) -> None:
    """Each of these once wrote past DALI's buffers, in a process of its own."""
    names = [path for path in (corpus / "videos_odd").iterdir() if "bipbop_short" in path.name or "resol" in path.name]
    assert len(names) >= 3
    script = (
        "import sys; from pathlib import Path\n"
        "from shards.decode.dali.dali import Dali; from shards.media.clip_plan import ClipPlan\n"
        "decode, plan = Dali(None, print), ClipPlan((0, 9), (48, 64), (0, 0, 48, 64))\n"
        "for name in sys.argv[1:]: decode(Path(name).read_bytes(), 'video', plan)\n"
    )
    command = [sys.executable, "-c", script, *map(str, names)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("cpu: ") for line in done.stdout.splitlines())


@pytest.mark.parametrize("codec", FFMPEG)
def test_pictures_of_every_writer_are_shown_as_by_the_cpu_decoder_or_left_to_it(dali: Counted, codec: str) -> None:
    picture = scene(48, 80)
    plan = ClipPlan((0,), (48, 80), (0, 0, 48, 80))
    files = [encoded(codec, pixels, picture) for pixels in FFMPEG[codec]]
    if codec == "png":
        for mode, form in (("1", "PNG"), ("P", "PNG"), ("CMYK", "JPEG"), ("RGBA", "WEBP"), ("L", "AVIF")):
            files.append(saved(Image.fromarray(picture).convert(mode), form))
    for data in files:
        try:
            theirs = decode(data, "image", plan)
        except MediaError as error:
            with pytest.raises(MediaError, match=re.escape(str(error)[:30])):
                dali.decode(data, "image", plan)
            continue
        ours = dali.decode(data, "image", plan)
        assert difference(ours, theirs).mean < 1.5
