"""The order depends on seed and keys alone, and is the same in whatever pieces it is sorted."""

from __future__ import annotations

import resource
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import WrongPlace
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.media.facts import KeyFrames, MediaFacts
from tests.tools.reshard.copies import write_ours
from tools.reshard import order
from tools.reshard.order import Share, check_keys, count, places
from tools.reshard.source import Source, open_sources


def write_rows(folder: Path, num_shards: int, per_shard: int, first: int = 0, gops: bool = True) -> str:
    """An index without shards, of pictures called by their numbers."""
    folder.mkdir()
    facts = MediaFacts("image", "jpeg", 8, 8, 1)
    tables, entries = [], []
    for shard in range(num_shards):
        numbers = range(first + shard * per_shard, first + (shard + 1) * per_shard)
        member = MemberRow("jpg", 512, 9, 7)
        rows = [SampleRow(f"{n:08d}", (member,), 1, facts, KeyFrames([], [], []) if gops else None) for n in numbers]
        tables.append(rows_table(shard, rows, gops))
        entries.append(ShardEntry(f"{shard:06d}.tar", per_shard, per_shard, 10_240, "0" * 32))
    content = write_index(str(folder / "index.parquet"), tables, num_shards * per_shard, gops)
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json(folder.name, entries, 0, {}, content=content))
    return str(folder)


def found(sources: list[Source], share: Share | None = None, seed: int | None = None) -> list[str]:
    return [place.prefix + place.row.key for place in places(sources, share, seed)]


def test_a_shuffled_order_is_a_permutation_that_seed_and_keys_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = open_sources([write_rows(tmp_path / "one", 4, 50)])
    two = open_sources([write_rows(tmp_path / "b", 2, 50, 100, gops=False), write_rows(tmp_path / "a", 10, 10)])
    in_order = found(one)
    assert in_order == [f"{number:08d}" for number in range(200)] == sorted(found(two))
    shuffled = found(one, seed=1)
    assert shuffled != in_order and sorted(shuffled) == in_order and found(one, seed=2) != shuffled
    assert found(two, seed=1) == shuffled, "in whatever datasets and shards they lie"
    monkeypatch.setattr(order, "ROWS_PER_FILE", 7)
    assert found(one, seed=1) == found(two, seed=1) == shuffled
    assert next(places(two)).row.key_frames is None, "its index has no GOP tables"


@given(st.lists(st.floats(0, 1), max_size=3))
def test_splits_are_disjoint_and_together_everything(bounds: list[float]) -> None:
    ends = [0.0, *sorted(bounds), 1.0]
    shares = [Share(low, high) for low, high in pairwise(ends)]
    parts = [found(SOURCES, share) for share in shares]
    assert [len(part) for part in parts] == [count(SOURCES, share) for share in shares]
    assert sorted(key for part in parts for key in part) == found(SOURCES)


@pytest.fixture(scope="module", autouse=True)
def sources(tmp_path_factory: pytest.TempPathFactory) -> None:
    SOURCES[:] = open_sources([write_rows(tmp_path_factory.mktemp("order") / "x", 3, 20)])


SOURCES: list[Source] = []


def test_keys_that_come_twice_are_refused_with_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "ROWS_PER_FILE", 3)
    one, two = write_rows(tmp_path / "one", 4, 5), write_rows(tmp_path / "two", 1, 5, 17)
    check_keys(open_sources([one]))
    with pytest.raises(
        WrongPlace, match=r"two/000000\.tar: has key '00000017', and so has .*one/000003\.tar; keys are"
    ):
        check_keys(open_sources([one, two]))
    check_keys(open_sources([one, two], prefix_by="dataset"))


def test_a_place_is_all_that_the_index_says(tmp_path: Path) -> None:
    ours = open_sources([str(write_ours(tmp_path / "ours"))], prefix_by="both")
    index = ours[0].index
    for place, (shard, row) in zip(places(ours), [(n // 3, n % 3) for n in range(10)], strict=True):
        rows = index.rows(shard)
        assert place.shard == index.shards.names[shard] and place.prefix == f"ours-00000{shard}-"
        assert place.row.members == rows.members(row) and place.row.num_records == rows.num_records[row]
        assert place.row.facts == rows.facts(row) and place.row.key_frames == index.gop_table(shard, row)


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "ROWS_PER_FILE", 5000)
    few, many = (
        open_sources([write_rows(tmp_path / name, 2 * size, 5000)]) for name, size in (("few", 1), ("many", 8))
    )
    assert sum(1 for _ in places(few, None, 1)) == 10_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_keys(many)
    assert sum(1 for _ in places(many, None, 1)) == 80_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1.1 * before
