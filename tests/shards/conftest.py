"""Fixtures of the storage and decoding tests: clips whose frames tell their number, small datasets."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from shards.cache.cached_source import CachedSource
from shards.cache.downloads import Downloads
from shards.cache.shard_cache import ShardCache
from shards.media.facts import MediaFacts
from tests.shards.far_folder import FarFolder, download_threads_ended, write_shards

_CONTAINERS = {
    "libx264": "mp4",
    "libx265": "mp4",
    "mpeg4": "mp4",
    "libvpx-vp9": "webm",
    "libvpx": "webm",
    "mjpeg": "avi",
}
NUMBER_BITS = 8
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is written to the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@lru_cache(maxsize=64)
def _make_clip(num_frames: int, size: tuple[int, int], codec: str, rotation: int, fps: int) -> bytes:
    import av

    height, width = size
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=_CONTAINERS[codec]) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_count = 1
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "bf": "2", "g": "12"}
        if codec.startswith("libvpx"):
            stream.options = {"cpu-used": "8", "deadline": "realtime"}
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(num_frames):
            for packet in stream.encode(av.VideoFrame.from_ndarray(_numbered(number, height, width), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return buffer.getvalue()


def _numbered(number: int, height: int, width: int) -> np.ndarray:
    """The upper half is one stripe per bit of the number, most significant left; the lower half is red."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[height // 2 :, :, 0] = 200
    for bit in range(NUMBER_BITS):
        left, right = bit * width // NUMBER_BITS, (bit + 1) * width // NUMBER_BITS
        frame[: height // 2, left:right] = 255 * (number >> (NUMBER_BITS - 1 - bit) & 1)
    return frame


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., bytes]:
    """make_clip(num_frames, size=(height, width), codec="libx264", rotation=0, fps=25) -> bytes of a video file."""

    def make(
        num_frames: int, size: tuple[int, int] = (64, 96), codec: str = "libx264", rotation: int = 0, fps: int = 25
    ) -> bytes:
        return _make_clip(num_frames, size, codec, rotation, fps)

    return make


@pytest.fixture(scope="session")
def read_number() -> Callable[[np.ndarray], int]:
    """read_number(frame) -> the number that a frame of make_clip shows; frame is upright, (H, W, 3)."""

    def read(frame: np.ndarray) -> int:
        stripes = np.array_split(frame[: frame.shape[0] // 2 - 2].mean(axis=(0, 2)), NUMBER_BITS)
        return sum(int(stripe.mean() > 127) << (NUMBER_BITS - 1 - bit) for bit, stripe in enumerate(stripes))

    return read


FACTS = MediaFacts("video", "h264", 320, 240, 75, 25.0, 3.0, 0.5)


@pytest.fixture
def facts() -> MediaFacts:
    return FACTS


@pytest.fixture
def build_dataset() -> Callable[..., str]:
    """build_dataset(url, num_samples=25, samples_per_shard=7): sample i has key s%04d and 1 + i % 3 captions."""

    def build(url: str | Path, num_samples: int = 25, samples_per_shard: int = 7) -> str:
        from shards.dataset.writing.writer import DatasetWriter

        with DatasetWriter(url, "toy", samples_per_shard=samples_per_shard) as writer:
            for i in range(num_samples):
                records = [{"caption": f"caption {record} of {i}"} for record in range(1 + i % 3)]
                media = np.random.default_rng(i).bytes(100 + 37 * i)
                writer.write(f"s{i:04d}", media, "mp4", records, {"source": i}, FACTS)
        return str(url)

    return build


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarFolder]:
    """A folder that plays a store."""
    far = FarFolder(tmp_path / "far")
    yield far
    far.gate.set()


@pytest.fixture
def cached(tmp_path: Path, far: FarFolder) -> Iterator[Callable[..., CachedSource]]:
    """cached(num_shards, limit, seed, connections, part_bytes, ...) -> a source cached, closed at the end."""
    made = []

    def make(
        num_shards: int,
        limit: int = 10**6,
        seed: int = 0,
        connections: int = 4,
        part_bytes: int = 10**5,
        **seconds: float,
    ) -> CachedSource:
        known = write_shards(tmp_path / "far", num_shards, seed=seed)
        made.append(Downloads(ShardCache(tmp_path / "cache", limit), connections, part_bytes, **seconds))
        return CachedSource(far, made[-1], known)

    yield make
    far.gate.set()
    for downloads in made:
        downloads.close()
    assert download_threads_ended()
