"""Selections on real datasets: the right samples, rows that mean the same as without, a cache that is never trusted."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import CursorMismatch, DatasetError
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from shards.dataset.writing.writer import DatasetWriter
from shards.loader.config import DatasetConfig
from shards.loader.feed import open_feed
from shards.loader.loader import Loader
from shards.media.facts import MediaFacts
from shards.read.sample import Origin
from shards.select.selection import Selection, open_selection
from shards.storage.open import open_source
from tests.shards.foreign_tars import write_tar
from tests.shards.row_groups import regroup
from tests.shards.small_dataset import config, encode, sequence, write_dataset

NUM_SAMPLES = 23


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mcg-streams" / "selections"


def facts_of(i: int) -> MediaFacts:
    kind, codec = ("image", "png") if i % 4 == 3 else ("video", "h264")
    return MediaFacts(kind, codec, 100 * (i % 7), 240, 10 * i, 25.0, float(i) / 2)


def write(folder: Path, num_samples: int = NUM_SAMPLES) -> Path:
    """Sample i has key %04d, i % 3 + 1 records, 50 + i media bytes, width 100 * (i % 7), duration i / 2."""
    with DatasetWriter(folder, "toy", samples_per_shard=5) as writer:
        for i in range(num_samples):
            records = [{"caption": f"{i}-{r}"} for r in range(i % 3 + 1)]
            writer.write(f"{i:04d}", bytes(50 + i), "png" if i % 4 == 3 else "mp4", records, {"number": i}, facts_of(i))
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("toy"))


class CountingIndex(Index):
    """Notes of which shards columns are read, and counts how often all rows are gone through."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.shards_read: list[int] = []
        self.num_scans = 0

    def columns(self, shard: int, names: Sequence[str]) -> pa.Table:
        self.shards_read.append(shard)
        return super().columns(shard, names)

    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]:
        self.num_scans += 1
        return super().scan(names)


def select_and_index(folder: Path, where: str | None = None, **fields: Any) -> tuple[Selection, CountingIndex]:
    index = CountingIndex.open(open_source(str(folder)))
    assert isinstance(index, CountingIndex)
    config = DatasetConfig(name="cc", path=str(folder), where=where, **fields)
    made = open_selection(index, config.name, config.where, config.exclude, config.elements)
    assert made is not None
    return made, index


def select(folder: Path, where: str | None = None, **fields: Any) -> Selection:
    return select_and_index(folder, where, **fields)[0]


def selected(folder: Path, **fields: Any) -> list[tuple[int, int]]:
    """(number, record) of every element of one evaluation pass, read through a feed."""
    dataset = DatasetConfig(name="cc", path=str(folder), **fields)
    feed = open_feed(dataset, config(blend=(dataset,), mode="eval"))
    at = feed.order.at(np.arange(feed.order.num_elements))
    found = []
    _, rows = feed.unrepeat(at.pass_, at.shard, at.row)
    for shard, row in zip(at.shard.tolist(), rows.tolist(), strict=True):
        origin = feed.reader.origin(shard, row)
        sample = feed.reader.read(shard, row, np.random.default_rng(0))
        assert sample.origin == origin and origin.key == f"{sample.meta['number']:04d}"
        found.append((sample.meta["number"], sample.record_index))
    return found


RULES: list[tuple[str, Callable[[int], bool]]] = [
    ("duration >= 2 and kind == 'video'", lambda i: i >= 4 and i % 4 != 3),
    ("width * height > 48000", lambda i: i % 7 > 2),
    ("shard == '000002.tar'", lambda i: 10 <= i < 15),
    ("shard != '000002.tar' and '1' in key", lambda i: not 10 <= i < 15 and "1" in str(i)),
    ("media_bytes >= 60", lambda i: i >= 10),
    ("num_records > 1 or key < '0003'", lambda i: i % 3 > 0 or i < 3),
    ("num_frames in (0, 220)", lambda i: i in (0, 22)),
]


@pytest.mark.parametrize(("where", "rule"), RULES)
def test_the_samples_are_those_that_the_expression_says(toy: Path, where: str, rule: Callable[[int], bool]) -> None:
    kept = [i for i in range(NUM_SAMPLES) if rule(i)]
    assert selected(toy, where=where) == [(i, r) for i in kept for r in range(i % 3 + 1)]
    assert [i for i, _ in selected(toy, where=where, elements="sample")] == kept
    assert select(toy, where).num_samples == len(kept)


@settings(max_examples=20)
@given(st.sets(st.integers(0, NUM_SAMPLES - 1), max_size=NUM_SAMPLES - 1), st.booleans(), st.sampled_from([0, 9]))
def test_excluded_samples_are_gone_and_rows_are_those_of_the_whole_shard(
    toy: Path, tmp_path_factory: pytest.TempPathFactory, out: set[int], by_record: bool, least: int
) -> None:
    file = tmp_path_factory.mktemp("lists") / "out.jsonl"
    file.write_text("".join(json.dumps({"shard": f"{i // 5:06d}.tar", "key": f"{i:04d}"}) + "\n" for i in out))
    kept = [i for i in range(least, NUM_SAMPLES) if i not in out]
    if not kept:
        return
    made = select(toy, f"duration >= {least / 2}", exclude=(str(file),), elements="record" if by_record else "sample")
    index = Index.open(open_source(str(toy)))
    for shard in range(5):
        inside = [i for i in kept if i // 5 == shard]
        rows = [made.row(shard, number) for number in range(int(made.counts[shard]))]
        if by_record:
            expected = [(i % 5, r) for i in inside for r in range(i % 3 + 1)]
            assert [index.rows(shard).element(row) for row in rows] == expected
        else:
            assert rows == [i % 5 for i in inside]


def test_threads_share_a_selection_that_keeps_few_shards(toy: Path) -> None:
    made, index = select_and_index(toy, "num_records > 1")
    made.rows_kept = 6
    addresses = [(shard, number) for shard in (0, 1, 0, 4, 2, 3, 4) for number in range(int(made.counts[shard]))] * 10
    expected = [made.row(*address) for address in addresses]
    kept = {shard: sum(i % 3 > 0 for i in range(5 * shard, min(5 * shard + 5, NUM_SAMPLES))) for shard in range(5)}
    reads = least_reads([shard for shard, _ in addresses], kept, 6)
    assert index.shards_read == reads and 20 < len(reads) < 70
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda address: made.row(*address), addresses)) == expected
    assert [made.row(*address) for address in addresses] == expected
    assert index.shards_read[-20:] == reads[-20:]  # the threads have left no more than is kept


def least_reads(shards: list[int], sizes: dict[int, int], most: int) -> list[int]:
    """The shards that a walk has to read if the last used are kept, up to so many rows."""
    kept: list[int] = []
    read = []
    for shard in shards:
        if shard in kept:
            kept.remove(shard)
        else:
            read.append(shard)
        kept.append(shard)
        while len(kept) > 1 and sum(sizes[one] for one in kept) > most:
            kept.pop(0)
    return read


def test_row_groups_of_several_shards_and_empty_shards_count_right(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "groups")
    regroup(folder, 12)
    assert len(Index.open(open_source(str(folder))).shards) == 5
    assert select(folder, "num_frames >= 70").counts.tolist() == [0, 6, 11, 9, 6]
    assert select(folder, "num_frames >= 70", elements="sample").counts.tolist() == [0, 3, 5, 5, 3]


# ---- what is refused


def test_a_selection_of_nothing_says_what_each_part_leaves(toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text('{"key": "0003"}\n')
    with pytest.raises(ValueError, match="leaves none of 23 samples") as raised:
        selected(toy, where="width >= 200 and kind == 'vido' and duration > 1", exclude=(str(out),))
    text = str(raised.value)
    assert text.startswith(f"dataset 'cc' at {toy}: where \"width >= 200 and kind == 'vido' and duration > 1\" leaves")
    assert text.endswith(": width >= 200: 15, kind == 'vido': 0, duration > 1: 20, exclude (1 samples): 22")


def test_nothing_selected_means_no_selection(toy: Path) -> None:
    assert open_selection(Index.open(open_source(str(toy))), "cc", None, (), "record") is None


def test_an_exclusion_of_shards_that_are_not_here_is_told(
    toy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text('{"key": "0003", "shard": "9.tar"}\n{"key": "0003", "shard": "000001.tar"}\n')
    assert select(toy, exclude=(str(out),)).num_samples == 23
    assert "exclude names 1 shards that are not here, e.g. 9.tar" in caplog.text


# ---- the digest


def test_the_digest_stands_for_meaning_and_not_for_spelling(toy: Path, tmp_path: Path) -> None:
    digest = select(toy, "duration>=2 and ( kind=='video')").digest
    assert len(digest) == 8 and digest == select(toy, 'duration >= 2 and kind == "video"').digest
    out = tmp_path / "out.jsonl"
    out.write_text('{"key": "0003"}\n')
    others = {
        select(toy, "duration >= 2").digest,
        select(toy, "duration >= 2.5 and kind == 'video'").digest,
        select(toy, "duration >= 2 and kind == 'video'", exclude=(str(out),)).digest,
    }
    assert len(others | {digest}) == 4


# ---- the cache


def test_counts_are_cached_for_both_kinds_of_elements(toy: Path, cache: Path) -> None:
    first, index = select_and_index(toy, "duration >= 2")
    assert len(list(cache.iterdir())) == 1 and index.num_scans == 1
    for elements, counts in (("record", first.counts.tolist()), ("sample", [1, 5, 5, 5, 3])):
        again, index = select_and_index(toy, "duration >= 2", elements=elements)
        assert again.counts.tolist() == counts and index.num_scans == 0
    assert select_and_index(toy, "duration >= 3")[1].num_scans == 1


def test_another_index_of_the_same_shards_is_counted_anew(tmp_path: Path, cache: Path) -> None:
    """Facts that were added later do not change the fingerprint."""
    folder = write(tmp_path / "toy")
    before = select(folder, "duration >= 2").counts.tolist()
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "index.parquet")
    column = table.schema.get_field_index("duration")
    longer = pc.add(table.column("duration"), 1).cast("float32")
    pq.write_table(table.set_column(column, table.schema.field(column), longer), folder / "index.parquet")
    assert select(folder, "duration >= 2").counts.tolist() != before


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_cache_is_counted_anew_with_a_warning(
    toy: Path, cache: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    first = select(toy, "duration >= 2")
    [file] = cache.iterdir()
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(bytes(data) if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        assert select(toy, "duration >= 2").counts.tolist() == first.counts.tolist()
    assert "is damaged: counting anew" in caplog.text
    caplog.clear()
    assert select(toy, "duration >= 2").digest == first.digest and not caplog.text


def test_a_cache_that_cannot_be_written_or_read_is_only_a_warning(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert select(toy, "duration >= 2").num_samples == 19
    assert "cannot be read" in caplog.text and "cannot be written" in caplog.text
    assert not [p for p in tmp_path.rglob("*.part")]


def test_counts_that_do_not_fit_the_shard_stop_and_name_the_file(toy: Path, cache: Path) -> None:
    select(toy, "duration >= 2")
    [file] = cache.iterdir()
    counts = np.load(file)
    counts[:, 2] -= 1
    body = io.BytesIO()
    np.save(body, counts)
    file.write_bytes(body.getvalue() + xxhash.xxh3_128_digest(body.getvalue()))
    with pytest.raises(DatasetError, match=r"selection has 11 elements in 000002.tar, 10 were counted.*\.npy is wrong"):
        select(toy, "duration >= 2").row(2, 0)


def test_several_at_once_leave_one_whole_file(toy: Path, cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: select(toy, "duration >= 2").counts.tolist(), range(8)))
    assert all(counts == made[0] for counts in made)
    assert [p.suffix for p in cache.iterdir()] == [".npy"]


def test_the_cache_lies_in_the_home_folder_by_default(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    select(toy, "duration >= 2")
    assert len(list((tmp_path / "home" / ".cache" / "mcg-streams" / "selections").iterdir())) == 1


def test_a_copy_of_the_dataset_shares_the_cache(toy: Path, tmp_path: Path) -> None:
    first = select(toy, "duration >= 2")
    shutil.copytree(toy, tmp_path / "copy")
    second, index = select_and_index(tmp_path / "copy", "duration >= 2")
    assert second.digest == first.digest and index.num_scans == 0


# ---- through the loader


def captions(folder: Path, world_size: int, num_batches: int, **fields: Any) -> list[list[tuple[str, int]]]:
    blend = (DatasetConfig(name="cc", path=str(folder), **fields),)
    with ExitStack() as stack:
        loaders = [
            stack.enter_context(Loader(config(blend=blend, batch_size=8), rank, world_size, encode))
            for rank in range(world_size)
        ]
        return sequence(loaders, num_batches)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 pictures of one record, number 7 torn."""
    folder = write_dataset(tmp_path_factory.mktemp("pictures"), "pictures", 12, records_of=(1,))
    shard = folder / "000001.tar"
    data = bytearray(shard.read_bytes())
    data[data.rindex(b"IDAT", 0, data.index(b"0008.png"))] ^= 1
    shard.write_bytes(data)
    return folder


def test_a_filtered_pass_holds_every_copy_once_on_any_number_of_ranks(pictures: Path) -> None:
    fields = {"where": "key >= '0008'", "repeat": 2}
    one = captions(pictures, 1, 2, **fields)
    assert captions(pictures, 2, 2, **fields) == captions(pictures, 4, 2, **fields) == one
    for batch in one:
        assert sorted(caption for caption, _ in batch) == sorted([f"pictures-{i}-0" for i in range(8, 12)] * 2)
    assert len({pair for batch in one for pair in batch}) == 16


def test_the_ledger_names_the_same_row_with_and_without_a_selection(pictures: Path, tmp_path: Path) -> None:
    entries = []
    # batches of one pass each, and none made ahead
    for number, (where, batch_size) in enumerate(((None, 12), ("key >= '0006' and key != '0008'", 5))):
        blend = (DatasetConfig(name="cc", path=str(pictures), where=where),)
        settings = config(blend=blend, batch_size=batch_size, prefetch_batches=0)
        with Loader(settings, 0, 1, encode, tmp_path / f"{number}.jsonl") as loader:
            num_read = []
            for _ in range(2):
                before = loader.stats.snapshot().times["read"].items
                assert [(f.origin, f.row) for f in next(loader).failures] == [(Origin("cc", "000001.tar", "0007"), 2)]
                num_read.append(loader.stats.snapshot().times["read"].items - before)
            assert num_read == [batch_size + 1, batch_size]  # the second time it is known, and only its substitute read
        entries.append([json.loads(line) for line in (tmp_path / f"{number}.jsonl").read_text().splitlines()])
    assert entries[0] == entries[1] and [(e["shard"], e["key"], e["row"]) for e in entries[0]] == [
        ("000001.tar", "0007", 2)
    ]


def test_what_a_run_filed_can_be_left_out_of_the_next(pictures: Path, tmp_path: Path) -> None:
    blend = (DatasetConfig(name="cc", path=str(pictures)),)
    ledger = tmp_path / "ledger.jsonl"
    with Loader(config(blend=blend, batch_size=12), 0, 1, encode, ledger) as loader:
        assert next(loader).failures
    cleaned = (DatasetConfig(name="cc", path=str(pictures), exclude=(str(ledger),)),)
    with Loader(config(blend=cleaned, batch_size=11), 0, 1, encode) as loader:
        batch = next(loader)
    assert not batch.failures and sorted(m["number"] for m in batch.meta) == [i for i in range(12) if i != 7]


def test_a_cursor_of_another_selection_is_refused_in_words(pictures: Path) -> None:
    states = []
    for where in ("width > 2", "width > 2 and key > '0003'"):
        blend = (DatasetConfig(name="cc", path=str(pictures), where=where, repeat=2),)
        with Loader(config(blend=blend), 0, 1, encode) as loader:
            states.append(loader.state_dict())
            if len(states) == 2:
                with pytest.raises(CursorMismatch, match=r"saved \['cc\*2\?\w{8}'\], .* what where and exclude leave"):
                    loader.load_state_dict(states[0])
                loader.load_state_dict(states[1])


@pytest.mark.parametrize(("media", "size"), [("video,image", 30), ("image", 10), ("png", 20), ("any", 10)])
def test_media_bytes_are_those_of_the_medium_that_is_read(tmp_path: Path, media: str, size: int) -> None:
    files = [
        (f"{key}.{ext}", b"x" * n) for key in "ab" for ext, n in (("jpg", 10), ("png", 20), ("mp4", 30), ("txt", 5))
    ]
    write_tar(tmp_path / "d" / "0.tar", files)
    index_tars(str(tmp_path / "d"), looks=Looks(rules=MemberRules(media=media)))
    for where, number in ((f"media_bytes == {size}", 2), (f"media_bytes >= {size}", 2)):
        assert select(tmp_path / "d", where).num_samples == number
    with pytest.raises(ValueError, match="leaves none of 2 samples"):
        select(tmp_path / "d", f"media_bytes != {size}")
