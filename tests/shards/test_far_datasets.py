"""Datasets on a store: the first batch in few round trips, and what is missing or does not fit is named."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import DatasetError, MissingFile, WriteError
from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import MediaFacts
from shards.read.reader import Reader
from shards.storage.remote import RemoteSource
from tests.shards.http_store import HttpStore
from tests.shards.row_groups import regroup


@pytest.fixture
def store() -> Iterator[HttpStore]:
    with HttpStore().running() as store:
        yield store


def test_the_first_batch_of_a_cold_dataset_takes_three_round_trips(
    store: HttpStore, tmp_path: Path, facts: MediaFacts
) -> None:
    with DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=600) as writer:
        for i in range(4800):
            writer.write(f"{i * 0x9E3779B97F4A7C15 % 2**64:x}", b"%d" % i, "mp4", [{"caption": "a"}], {}, facts)
    regroup(tmp_path / "toy", max_rows=600, gap=1 << 20)
    for file in (tmp_path / "toy").iterdir():
        store.files[f"/toy/{file.name}"] = file.read_bytes()
    shards = list(range(8))  # each is a row group
    # Nobody is answered before all of his round have asked, so each round must be asked for at once.
    rounds = {"files": 4, "row groups": 8, "elements": 8}
    gates = {name: threading.Barrier(count) for name, count in rounds.items()}

    def gate(method: str, path: str, range_: str) -> threading.Barrier:
        if path.endswith(".tar"):
            return gates["elements"]
        is_row_group = path.endswith("index.parquet") and re.match(r"bytes=\d", range_)
        return gates["row groups" if is_row_group else "files"]

    store.gate = gate
    reader = Reader("toy", f"{store.url}/toy")
    fetched = reader.fetch(shards, [1] * len(shards))
    assert len(store.requests) == sum(rounds.values())
    local = Reader("toy", str(tmp_path / "toy")).fetch(shards, [1] * len(shards))
    assert [bytes(a.media) for a in fetched] == [bytes(b.media) for b in local]


@pytest.fixture
def far(store: HttpStore, tmp_path: Path, build_dataset: Callable[..., str]) -> str:
    """URL of a dataset of 25 samples in 4 shards."""
    build_dataset(tmp_path / "toy")
    for file in (tmp_path / "toy").iterdir():
        store.files[f"/toy/{file.name}"] = file.read_bytes()
    return f"{store.url}/toy"


@pytest.mark.parametrize(
    ("lost", "match"),
    [
        ("dataset.json", r"dataset\.json: not found; either no dataset was built here, or its conversion was not fin"),
        ("shards.parquet", r"shards\.parquet: not found.*; dataset\.json is there, so a file was lost: build the dat"),
        ("index.parquet", r"index\.parquet: not found.*; dataset\.json is there, so a file was lost: build the data"),
        ("000001.tar", r"000001\.tar: the index lists this shard, but it is not there; copy it again from where"),
    ],
)
def test_a_half_written_dataset_names_what_is_missing(store: HttpStore, far: str, lost: str, match: str) -> None:
    del store.files[f"/toy/{lost}"]
    with pytest.raises(DatasetError, match=f"^{far}/{match}"):
        Reader("toy", far).fetch(range(4), [0] * 4)


def test_an_index_that_is_older_or_newer_than_the_shards_is_refused(
    store: HttpStore, far: str, tmp_path: Path, build_dataset: Callable[..., str]
) -> None:
    build_dataset(tmp_path / "later", num_samples=80, samples_per_shard=20)
    for new in ("000001.tar", "shards.parquet", "index.parquet", "dataset.json"):
        before = store.files[f"/toy/{new}"]
        store.files[f"/toy/{new}"] = (tmp_path / "later" / new).read_bytes()
        with pytest.raises(DatasetError, match=rf"^{far}/.*; .*copy"):
            Reader("toy", far).fetch(range(4), [0] * 4)
        store.files[f"/toy/{new}"] = before
    assert len(Reader("toy", far).fetch(range(4), [0] * 4)) == 4


def test_a_dataset_of_another_name_is_not_written_over_one_in_a_bucket(
    s3_server: Any, use_s3: Callable[..., None], build_dataset: Callable[..., str]
) -> None:
    use_s3(s3_server)
    url = build_dataset(f"s3://{s3_server.bucket}/taken", num_samples=3)
    before = RemoteSource(url).list()
    with pytest.raises(DatasetError, match=rf"^{url}: holds a finished dataset already; choose another place"):
        DatasetWriter(url, "another")
    assert RemoteSource(url).list() == before
    tars = RemoteSource(f"s3://{s3_server.bucket}/nothing")
    with pytest.raises(MissingFile, match="nothing in the bucket begins with this"):
        tars.list()


def test_a_dataset_that_may_not_be_written_says_so(
    s3_server: Any, use_s3: Callable[..., None], build_dataset: Callable[..., str]
) -> None:
    use_s3(s3_server, secret="wrong")
    with pytest.raises(WriteError, match=rf"^s3://{s3_server.bucket}/new.*access refused \(SignatureDoesNotMatch"):
        build_dataset(f"s3://{s3_server.bucket}/new")
