"""An origin names a sample in every message, and an error about one survives the way to another process."""

from __future__ import annotations

import pickle

import pytest

from shards.read.sample import Origin, SampleError


def test_an_origin_reads_as_dataset_shard_key() -> None:
    assert str(Origin("webvid", "000012.tar", "a/b")) == "webvid/000012.tar:a/b"


def test_an_error_names_its_origin_and_keeps_it_through_pickling() -> None:
    error = pickle.loads(pickle.dumps(SampleError(Origin("toy", "000000.tar", "k"), "has no caption")))
    assert error.origin == Origin("toy", "000000.tar", "k") and error.reason == "has no caption"
    with pytest.raises(ValueError, match=r"^toy/000000\.tar:k: has no caption$"):
        raise error
