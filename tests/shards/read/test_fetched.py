"""Fetched: what a reader gives for an element: its numbers, a view of its medium, its texts."""

from __future__ import annotations

from pathlib import Path

from shards.read.fetched import Fetched
from tests.shards.odd_dataset import GOOD, dataset_of


def test_an_element_is_fetched_with_its_numbers_and_bytes(tmp_path: Path) -> None:
    (fetched,) = dataset_of(tmp_path / "odd", GOOD).fetch([0], [0])
    assert isinstance(fetched, Fetched)
    assert fetched == Fetched(0, None, b"media", GOOD, None)
