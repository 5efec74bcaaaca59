"""Parts of elements come through the reader and the loader as if they were whole, and damage is told."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from shards.base.errors import MediaError, SourceError
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from shards.decode.cpu import decode
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.feed import open_feed
from shards.loader.loader import Loader
from shards.media.clip_plan import ClipPlan
from shards.media.facts import TIME_MARK
from shards.media.medium import Media, whole
from shards.media.partial import PartialMedium
from shards.read.reader import Reader
from shards.read.sample import SampleError
from tests.shards.dataset.indexing.indexed import encode
from tests.shards.films import SEEKABLE, Film, shoot
from tests.shards.foreign_tars import picture, write_tar
from tests.shards.http_store import HttpStore
from tests.shards.small_side import samples_of, side_of, write_side

FILMS = ("h264", "h264, tables in front", "h264 in mkv, open GOPs", "vp9, hidden frames")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local dataset with GOP tables: videos of some hundred KB, a picture, and a small video with one key frame."""

    files = [("one.mp4", shoot(Film(options="preset=ultrafast g=500"), 60))]
    files += [(f"f{i}.{SEEKABLE[name].ext}", shoot(SEEKABLE[name], 300, (96, 128))) for i, name in enumerate(FILMS)]
    files += [("p.jpg", picture(0))]
    folder = tmp_path_factory.mktemp("films")
    both = [file for name, data in files for file in ((name, data), (name.split(".")[0] + ".txt", b"a caption"))]
    write_tar(folder / "000.tar", both)
    index_tars(str(folder), looks=Looks(media=True))
    return folder


@pytest.fixture
def remote_films(films: Path) -> str:
    """The same far away."""
    url = f"memory://{films.name}"
    fsspec.filesystem("memory").put(f"{films}/", f"/{films.name}/", recursive=True)
    return url


def frames_of(media: Media, *frames: int) -> np.ndarray:
    return decode(media, "video", ClipPlan(frames, (24, 32), (0, 0, 24, 32)))


def counts_of(reader: Reader) -> dict[str, int]:
    return {} if reader.partial is None else reader.partial.counts.snapshot()


def test_of_long_remote_videos_a_part_is_fetched(films: Path, remote_films: str) -> None:
    remote, local = Reader("x", remote_films, partial_bytes=0), Reader("x", str(films))
    draw = np.random.default_rng(0)
    for number in range(1, 1 + len(FILMS)):
        sample, expected = remote.read(0, number, draw), local.read(0, number, draw)
        assert isinstance(sample.media, PartialMedium) and isinstance(expected.media, bytes)
        assert (sample.record, sample.facts, sample.origin) == (expected.record, expected.facts, expected.origin)
        for frames in ((40, 155), (299, 0)):
            assert np.array_equal(frames_of(sample.media, *frames), frames_of(expected.media, *frames))
        assert sample.media.whole() == expected.media
    fresh = Reader("x", remote_films, partial_bytes=0)
    frames_of(fresh.read(0, 1, draw).media, 40, 155)
    counts = counts_of(fresh)
    assert counts["media"] == 1 and counts["whole"] == 0 and counts["requests"] <= 6
    assert counts["fetched_bytes"] < 0.35 * counts["bytes"]


def test_what_is_small_or_has_no_use_for_it_is_read_whole(films: Path, remote_films: str) -> None:
    draw = np.random.default_rng(0)
    for opened in (
        Reader("x", remote_films),
        Reader("x", str(films)),
        Reader("x", remote_films, verify="always", partial_bytes=0),
        Reader("x", remote_films, partial_bytes=1 << 20),
        Reader("x", str(films), partial_bytes=0),
    ):
        for number in range(1 + len(FILMS) + 1):
            media = opened.read(0, number, draw).media
            seeks = opened.partial is not None and number in range(1 + len(FILMS))
            assert isinstance(media, PartialMedium) == seeks
            assert whole(media) == Reader("x", str(films)).read(0, number, draw).media
        assert counts_of(opened).get("media", 0) == 0
    single_gop = Reader("x", remote_films, partial_bytes=0).read(0, 0, draw).media
    assert isinstance(single_gop, PartialMedium) and single_gop.held == single_gop.size
    assert isinstance(Reader("x", remote_films, partial_bytes=0).read(0, 5, draw).media, bytes)


def test_damage_of_a_part_is_found_when_the_whole_is_read(films: Path, tmp_path: Path, remote_films: str) -> None:
    row = Reader("x", str(films)).index.rows(0).members(1)
    memory = fsspec.filesystem("memory")
    tar = bytearray((films / "000.tar").read_bytes())
    last = row[0].offset + row[0].size * 3 // 4
    tar[last : last + 3000] = bytes(3000)
    memory.pipe(f"/{films.name}/000.tar", bytes(tar))
    draw = np.random.default_rng(0)
    sample = Reader("x", remote_films, partial_bytes=0).read(0, 1, draw)
    frames_of(sample.media, 40)  # elsewhere
    with pytest.raises(MediaError, match=r"^\.mp4 is damaged: checksum [0-9a-f]{8}, the index expects [0-9a-f]{8}$"):
        whole(sample.media)
    tar[row[1].offset] ^= 1
    memory.pipe(f"/{films.name}/000.tar", bytes(tar))
    with pytest.raises(SampleError, match=r"x/000\.tar:f0: \.txt is damaged"):
        Reader("x", remote_films, partial_bytes=0).read(0, 1, draw)


def test_a_store_that_gives_less_is_named(remote_films: str) -> None:
    cut = Reader("x", remote_films, partial_bytes=0)
    read_many = cut.source.read_many
    cut.source.read_many = lambda ranges: [data[:-1] for data in read_many(ranges)]  # type: ignore[method-assign]
    with pytest.raises(SourceError, match=r"^memory://.*/000\.tar: gave only \d+ of \d+ bytes at \d+$"):
        cut.read(0, 1, np.random.default_rng(0))


def test_a_loader_gives_the_same_batches_from_parts(films: Path, remote_films: str) -> None:
    batches = {}
    for path, partial_bytes in ((str(films), None), (str(films), 0), (remote_films, 0)):
        blend = (DatasetConfig(name="x", path=path, partial_bytes=partial_bytes),)
        with Loader(LoaderConfig(blend=blend, batch_size=6, mode="eval"), 0, 1, encode) as loader:
            batches[path, partial_bytes] = next(loader)
            fetched = loader.stats.snapshot().traffic.get("bytes", 0)
    assert 0 < fetched < 0.5 * (films / "000.tar").stat().st_size
    expected, *others = batches.values()
    assert expected.valid.all() and all(np.array_equal(expected.frames, batch.frames) for batch in others)


def test_what_dali_needs_whole_is_fetched_once(films: Path, remote_films: str) -> None:
    """Its CPU operators take these videos whole: what was fetched of them first is not fetched again, but for what lies
    between ranges."""
    pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")
    asked, frames = {}, {}
    with HttpStore().running() as store:
        store.hold(films, "/films")
        for partial_bytes in (0, None):
            blend = [{"name": "x", "path": f"{store.url}/films", "partial_bytes": partial_bytes}]
            fields = {"blend": blend, "batch_size": 6, "mode": "eval", "decode": "dali"}
            store.requests.clear()
            with Loader(LoaderConfig.model_validate(fields), 0, 1, encode) as loader:
                frames[partial_bytes] = torch.as_tensor(next(loader).frames).cpu()
            ranges = (range_ or "" for method, path, range_ in store.requests if path == "/films/000.tar")
            spans = [tuple(map(int, span.removeprefix("bytes=").split("-"))) for span in ranges]
            asked[partial_bytes] = sum(last + 1 - first for first, last in spans)
    assert asked[0] <= 1.1 * asked[None] and torch.equal(frames[0], frames[None])


def test_time_marks_of_a_variable_rate_are_for_plans_and_not_for_seeking(tmp_path: Path) -> None:
    film = shoot(SEEKABLE["h264, variable rate"], 300)
    write_tar(tmp_path / "000.tar", [("v.mp4", film), ("v.txt", b"a caption")])
    index_tars(str(tmp_path), looks=Looks(media=True))
    sample = Reader("x", str(tmp_path), partial_bytes=0).read(0, 0, np.random.default_rng(0))
    table = sample.facts.key_frames
    assert table is not None and TIME_MARK in table.offsets
    assert isinstance(sample.media, PartialMedium) and sample.media.key_frames == table.without_marks()
    assert np.array_equal(frames_of(sample.media, 40, 155, 299), frames_of(film, 40, 155, 299))


def test_texts_of_a_side_table_go_with_parts_too(films: Path, remote_films: str, tmp_path: Path) -> None:
    samples = samples_of(films)
    side = write_side(
        tmp_path / "a.parquet", samples, side_of(films), texts=[[f"new {key}", "b"] for _, key in samples]
    )
    dataset = DatasetConfig(name="x", path=remote_films, partial_bytes=0, texts=f"{side}:texts")
    reader = open_feed(dataset, LoaderConfig(blend=(dataset,), batch_size=1)).reader
    assert isinstance(reader, Reader) and reader.counts.tolist() == [2 * len(samples)]
    for number, (_, key) in enumerate(samples):
        first, second = (reader.read(0, 2 * number + record, np.random.default_rng(0)) for record in (0, 1))
        assert [first.record, second.record] == [{"caption": f"new {key}"}, {"caption": "b"}]
        assert isinstance(first.media, PartialMedium) == (key != "p") and first.origin.key == key
