"""Pipeline: what is given up is left where it stands, and only what is wanted goes on to the next stage."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip
from shards.read.sample import Sample
from tests.shards.far_folder import WAIT, until
from tests.shards.http_store import HttpStore
from tests.shards.one_window import opened
from tests.shards.small_dataset import encode, seen, write_dataset


@pytest.mark.parametrize("records", [1, 4], ids=["between samples", "between records of a sample"])
def test_what_is_given_up_is_left_where_it_stands(tmp_path: Path, records: int) -> None:
    """A batch made ahead is in its first slot when another place is loaded: its other slots are not worked on."""
    started, release = threading.Event(), threading.Event()
    encoded: list[str] = []

    def slow(sample: Sample, rng: RngFactory) -> EncodedClip:
        encoded.append(sample.record["caption"])
        if len(encoded) == 5:
            started.set()
            assert release.wait(WAIT)
        return encode(sample, rng)

    folder = write_dataset(tmp_path / "web", "web", 24 // records, records_of=(records,))
    with opened(folder, slow, batch_size=4, mode="eval", threads=1, prefetch_batches=1, fetch_batches=0) as loader:
        first = seen(next(loader))
        state = loader.state_dict()
        assert started.wait(WAIT)
        loader.load_state_dict(state)
        release.set()
        second = seen(next(loader))
        until(lambda: len(encoded) >= 4 + 1 + 4 + 4)
    captions = [caption for caption, _ in first + second]
    assert captions == encoded[:4] + encoded[5:9] and encoded[4] == encoded[5]
    assert len(encoded) == len(first) + 1 + 4 + 4


def test_a_batch_that_a_store_brings_late_keeps_no_other_from_decoding(tmp_path: Path) -> None:
    """The second of three batches made ahead waits for its bytes; the first and the third are decoded."""
    folder, store = write_dataset(tmp_path / "web", "web", 16, records_of=(1,), per_shard=4), HttpStore()
    store.hold(folder)
    answer, encoded = threading.Event(), list[str]()
    store.gate = lambda method, path, range_: answer if path == "/000002.tar" else None

    def noting(sample: Sample, rng: RngFactory) -> EncodedClip:
        encoded.append(sample.origin.shard)
        return encode(sample, rng)

    with store.running(), opened(store.url, noting, batch_size=4, mode="eval", prefetch_batches=3) as loader:
        next(loader)
        until(lambda: len(encoded) >= 12)
        assert set(encoded) == {"000000.tar", "000001.tar", "000003.tar"}
        answer.set()
        shards = [{origin.shard for origin in batch.origins} for batch in iter(loader.__next__, None)]
    assert shards == [{"000001.tar"}, {"000002.tar"}, {"000003.tar"}]
