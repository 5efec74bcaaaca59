"""Fetch: a batch is asked for at once, what is known to be bad is left out, a dataset that fails is named, and what is
dearest to decode is decoded first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import DatasetError
from shards.loader.loader import Loader
from tests.shards.clips_of_cost import film, noting, table, write_clips
from tests.shards.one_window import opened, told
from tests.shards.small_dataset import config, write_dataset


def test_the_elements_of_a_batch_are_read_at_once(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "web", "web", 12, records_of=(1,))
    with opened(folder, batch_size=6) as loader:
        for _ in range(4):
            next(loader)
        read = loader.stats.snapshot().times["read"]
    assert (read.count, read.items) == (4, 24)


def test_an_element_that_is_known_to_be_bad_is_not_read_again(tmp_path: Path) -> None:
    """Its checksum does not fit; what an earlier pass read is remembered."""
    folder = write_dataset(tmp_path / "web", "web", 8, records_of=(1,), per_shard=8)
    tar = folder / "000000.tar"
    data = bytearray(tar.read_bytes())
    data[data.index(b"\x89PNG") + 20] ^= 1
    tar.write_bytes(data)
    with opened(folder, batch_size=8, mode="eval") as loader:
        reads = []
        for _ in range(3):
            before = loader.stats.snapshot()
            (batch,) = loader
            reads.append((loader.stats.snapshot() - before).times["read"].items)
            assert batch.valid.tolist() == [False, *[True] * 7]
            assert batch.failures[0].stage == "read" and batch.failures[0].lasting
    assert reads == [8, 7, 7]


def test_a_dataset_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "web", "web", 8, records_of=(1,), per_shard=8)
    with opened(folder, batch_size=8, mode="eval") as loader:
        (folder / "000000.tar").write_bytes(b"")
        with pytest.raises(DatasetError, match=r"000000\.tar") as raised:
            next(loader)
    assert raised.value.__notes__ == ["while the loader was at read of 8 elements of web"]


def delivered(folder: Path, num_batches: int, **fields: Any) -> tuple[list[tuple[Any, ...]], list[list[str]]]:
    """What the first batches hold, and the captions of the slots of each in the order in which they were begun."""
    begun, orders, batches = list[str](), list[list[str]](), []
    with opened(folder, noting(begun), threads=1, **fields) as loader:
        for _ in range(num_batches):
            batches.append(told(next(loader)))
            orders.append(begun[sum(map(len, orders)) :])
    return batches, orders


def captions(batches: list[tuple[Any, ...]]) -> list[list[str]]:
    return [[meta["caption"] for meta in metas] for metas, *_ in batches]


def number_of(caption: str) -> int:
    return int(caption.split("-")[1])


@settings(max_examples=25, deadline=None)
@given(frames=st.lists(st.integers(0, 9), min_size=12, max_size=12), mode=st.sampled_from(["train", "eval"]))
def test_whatever_the_index_says_of_costs_batches_are_the_same(frames: list[int], mode: str) -> None:
    with TemporaryDirectory() as place:
        batches, orders = delivered(
            write_clips(Path(place, "costs"), [film(64, 64, count) for count in frames]), 3, batch_size=4, mode=mode
        )
        expected, _ = delivered(
            write_clips(Path(place, "equal"), [film(64, 64, 5)] * len(frames)), 3, batch_size=4, mode=mode
        )
    assert batches == expected
    for own, begun in zip(captions(batches), orders, strict=True):
        assert begun == sorted(own, key=lambda caption: -frames[number_of(caption)])  # sorted keeps the order of equals


def test_long_gops_are_begun_before_long_videos_with_short_ones(tmp_path: Path) -> None:
    """All frames have one size: 3,000 frames with a key frame every 6, 240 in one GOP, and 100 in one."""
    tables = [table(3000, 6), table(100, 100), table(240, 240)]
    folder = write_clips(tmp_path, [film(64, 64, count) for count in (3000, 100, 240)], tables)
    _, (begun,) = delivered(folder, 1, batch_size=3, mode="eval")
    assert begun == ["web-2-0", "web-1-0", "web-0-0"]


@pytest.mark.parametrize("facts", [[film(64, 64, 5)] * 8, [film(0, 0, 0)] * 8], ids=["equal", "unknown"])
def test_equal_and_unknown_costs_keep_the_order(tmp_path: Path, facts: Sequence[Any]) -> None:
    batches, orders = delivered(write_clips(tmp_path, facts), 4, batch_size=8)
    assert orders == captions(batches)


def test_pictures_keep_the_order(tmp_path: Path) -> None:
    folder = write_clips(tmp_path, [film(8 * number, 8, 1, "image") for number in range(1, 9)])
    batches, orders = delivered(folder, 4, batch_size=8)
    assert orders == captions(batches)


def test_questions_about_one_video_stay_one_group(tmp_path: Path) -> None:
    """In evaluation, whose last batch is padded: 4 videos with 3 questions each, in batches of 8."""
    folder = write_clips(tmp_path, [film(64, 64, count) for count in (5, 9, 1, 7)], num_records=3)
    batches, orders = delivered(folder, 2, batch_size=8, mode="eval")
    assert orders[0] == ["web-1-0", "web-1-1", "web-1-2", "web-0-0", "web-0-1", "web-0-2", "web-2-0", "web-2-1"]
    assert orders[1] == ["web-3-0", "web-3-1", "web-3-2", "web-2-2"]
    assert [number_of(meta["caption"]) for meta in batches[0][0]] == [0, 0, 0, 1, 1, 1, 2, 2]


def test_pictures_of_another_dataset_are_begun_after_videos(tmp_path: Path) -> None:
    films = write_clips(tmp_path / "films", [film(64, 64, count) for count in (1, 2, 3, 4)])
    pictures = write_dataset(tmp_path / "pictures", "pictures", 4, records_of=(1,))
    begun: list[str] = []
    blend = ("films", films), ("pictures", pictures)
    mixed = config(*blend, batch_size=8, unit="sample", threads=1, prefetch_batches=0)
    with Loader(mixed, 0, 1, noting(begun)) as loader:
        batch = next(loader)
    are_films = [caption.startswith("web") for caption in begun]
    assert are_films == sorted(are_films, reverse=True) and 0 < sum(are_films) < 8
    frames = [1 + number_of(caption) for caption in begun[: sum(are_films)]]
    assert frames == sorted(frames, reverse=True)
    own = [meta["caption"] for meta in batch.meta]
    assert begun[len(frames) :] == [caption for caption in own if not caption.startswith("web")]
