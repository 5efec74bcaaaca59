"""Duplicates of a small dataset: what is found, what is written, and what a loader makes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shards import ClipConfig, EncodedClip, Loader, LoaderConfig, Sample, plan_clip
from shards.base.engines import threads
from tests.tools.duplicates.conftest import COPIES, Frames, video, write
from tools.duplicates.find import Found, find_duplicates
from tools.rows import OptionError


def find(*datasets: Path | str, out: Path, **others: Any) -> Found:
    return find_duplicates([str(dataset) for dataset in datasets], out, engine=threads(2), **others)


def left_out(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / "exclude.jsonl").read_text().splitlines()]


def keys_of(dataset: Path, exclude: Path, name: str = "mine") -> list[str]:
    """The keys that a loader gives in one pass."""
    config = LoaderConfig(
        blend=[{"name": name, "path": str(dataset), "exclude": [str(exclude)], "where": "key != 'broken'"}],
        batch_size=2,
        mode="eval",
    )

    def encode(sample: Sample, rng: Callable[[str], np.random.Generator]) -> EncodedClip:
        plan = plan_clip(sample.facts, ClipConfig(num_frames=1, size=16), rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, {}, {"key": sample.origin.key})

    with Loader(config, 0, 1, encode) as loader:
        return [meta["key"] for batch in loader for meta, valid in zip(batch.meta, batch.valid, strict=True) if valid]


@pytest.fixture(scope="module")
def out(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    found = find(toy, out=folder)
    assert found.pairs["content"] == 1
    assert found.groups == 2
    assert found.excluded == len(COPIES) + 1
    assert found.not_looked_at == {"flat": 1, "decode": 1}
    assert "toy/000004.tar:broken: decode: not a video" in "".join(found.examples)
    return folder


def test_copies_are_found_and_nothing_else(out: Path) -> None:
    rows = pq.read_table(out / "pairs.parquet").to_pylist()
    near = {frozenset((row["a_key"], row["b_key"])) for row in rows if row["kind"] == "near"}
    assert {frozenset(("c1", name)) for name in COPIES} <= near
    assert {key for pair in near for key in pair} == {"c1", *COPIES}
    (equal,) = (row for row in rows if row["kind"] == "content")
    assert (equal["a_key"], equal["b_key"]) == ("c2", "again")
    (mirrored,) = (row for row in rows if {row["a_key"], row["b_key"]} == {"c1", "mirrored"})
    assert mirrored["mirrored"]
    assert len({row["group"] for row in rows}) == 2


def test_a_loader_leaves_out_all_but_one_of_each_group(toy: Path, out: Path) -> None:
    assert sorted(keys_of(toy, out / "exclude.jsonl")) == ["black", "c1", "c2", "c3", "c4", "c5"]
    assert all(line["kept"].endswith((":c1", ":c2")) for line in left_out(out))


def test_a_second_run_looks_at_no_medium(toy: Path, out: Path, tmp_path: Path) -> None:
    def no_work(*_: object) -> Any:
        raise AssertionError("looked at a medium")
        yield

    before = (out / "exclude.jsonl").read_bytes()
    find_duplicates([str(toy)], tmp_path, engine=no_work, hashes=out / "hashes", shown=0)
    assert (tmp_path / "exclude.jsonl").read_bytes() == before
    (table,) = (out / "hashes").iterdir()
    side_of = json.loads(pq.read_schema(table).metadata[b"side_of"])
    assert side_of["dataset"] == "toy"
    assert pq.read_table(table, columns=["key"]).num_rows == 13


def test_a_table_of_another_dataset_is_made_anew(toy: Path, out: Path, tmp_path: Path) -> None:
    (table,) = (out / "hashes").iterdir()
    rows = pq.read_table(table)
    other = json.dumps({"dataset": "toy", "fingerprint": "0" * 32})
    (tmp_path / "hashes").mkdir()
    metadata = {**rows.schema.metadata, b"side_of": other.encode()}
    pq.write_table(rows.slice(0, 2).replace_schema_metadata(metadata), tmp_path / "hashes" / table.name)
    assert find(toy, out=tmp_path, shown=0).excluded == len(COPIES) + 1
    assert pq.read_schema(tmp_path / "hashes" / table.name).metadata == rows.schema.metadata


def test_a_table_that_is_damaged_is_made_anew(clips: dict[int, Frames], tmp_path: Path) -> None:
    folder = write(tmp_path / "one", {"x": video(clips[1])})
    find(folder, out=tmp_path / "out", shown=0)
    (table,) = (tmp_path / "out/hashes").iterdir()
    table.write_bytes(b"no parquet")
    assert find(folder, out=tmp_path / "out", shown=0).datasets == {"one": 1}
    assert pq.read_table(table).num_rows == 1


def test_a_killed_run_goes_on_after_the_shards_that_are_done(toy: Path, tmp_path: Path) -> None:
    def killed(work: Any, items: Any) -> Any:
        for number, item in enumerate(items):
            if number == 2:
                raise KeyboardInterrupt
            yield work(item)

    with pytest.raises(KeyboardInterrupt):
        find_duplicates([str(toy)], tmp_path, engine=killed)
    worked: list[int] = []

    def noted(work: Any, items: Any) -> Any:
        for item in items:
            worked.append(item)
            yield work(item)

    assert find_duplicates([str(toy)], tmp_path, engine=noted, shown=0).excluded == len(COPIES) + 1
    assert worked == [2, 3, 4]
    assert len(os.listdir(tmp_path / "hashes")) == 1


def test_the_largest_of_a_group_is_kept(clips: dict[int, Frames], tmp_path: Path) -> None:
    large = np.repeat(np.repeat(clips[3], 2, axis=1), 2, axis=2)
    first = write(tmp_path / "first", {"small": video(clips[3]), "other": video(clips[4])})
    second = write(tmp_path / "second", {"large": video(large)})
    found = find(first, second, out=tmp_path / "out", shown=0)
    assert found.between == {"first and second": {"near": 1}}
    assert [(line["dataset"], line["key"]) for line in left_out(tmp_path / "out")] == [("first", "small")]


def test_datasets_that_cannot_be_told_apart_are_refused(clips: dict[int, Frames], tmp_path: Path) -> None:
    toy = write(tmp_path / "toy", {"y": video(clips[5])})
    same = write(tmp_path / "same", {"x": video(clips[5])}, "toy")
    with pytest.raises(OptionError, match=r"two datasets under the name 'toy'.*NAME=PATH"):
        find(toy, same, out=tmp_path / "out")
    assert find(f"a={toy}", f"b={same}", out=tmp_path / "out", shown=0).between["a and b"] == {"content": 1}


def test_an_empty_dataset_is_refused(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty", {})
    with pytest.raises(OptionError, match="holds no samples"):
        find(empty, out=tmp_path / "out")


def test_an_index_without_media_facts_is_refused(tmp_path: Path, clips: dict[int, Frames]) -> None:
    from shards.base.errors import DatasetError
    from shards.dataset.writing.writer import DatasetWriter
    from shards.media.facts import MediaFacts

    with DatasetWriter(tmp_path / "bare", "bare") as writer:
        writer.write("x", video(clips[1]), "mp4", [{"caption": "x"}], {}, MediaFacts("video", "", 0, 0, 0))
    with pytest.raises(DatasetError, match=r"bare: the index holds no media facts of 000000.tar.*--media"):
        find(tmp_path / "bare", out=tmp_path / "out")


def test_tables_have_the_columns_that_are_told(out: Path) -> None:
    schema = pq.read_schema(out / "pairs.parquet")
    assert schema.field("kind").type == pa.string()
    assert {"distance", "mirrored", "motion", "blocks", "group", "a_dataset", "b_key"} <= set(schema.names)
