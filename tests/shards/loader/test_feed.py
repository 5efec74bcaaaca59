"""Feeds: a dataset opened with the order that its config asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shards.loader.config import DatasetConfig
from shards.loader.feed import open_feed
from shards.order.order import Order, Sequential
from tests.shards.small_dataset import config, write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 samples in shards of 5 and 2, with 2, 1, 3, 2, 1 and 3, 2 records."""
    return write_dataset(tmp_path_factory.mktemp("cc"), "cc", 7)


def test_records_or_samples_are_counted(folder: Path) -> None:
    settings = config(("cc", folder))
    by_record = open_feed(settings.blend[0], settings)
    by_sample = open_feed(DatasetConfig(name="cc", path=str(folder), elements="sample"), settings)
    assert by_record.counts.tolist() == [9, 5] and by_sample.counts.tolist() == [5, 2]
    assert (by_record.order.num_elements, by_sample.order.num_elements) == (14, 7)


def test_the_mode_chooses_the_order_and_the_window_defaults_to_four_mean_shards(folder: Path) -> None:
    training = config(("cc", folder), window=None, streams=None)
    feed = open_feed(training.blend[0], training)
    assert isinstance(feed.order, Order) and (feed.streams, feed.window) == (8, 28)
    evaluation = config(("cc", folder), mode="eval")
    assert isinstance(open_feed(evaluation.blend[0], evaluation).order, Sequential)


def test_copies_of_an_element_draw_as_if_in_passes_of_their_own(folder: Path) -> None:
    repeated = DatasetConfig(name="cc", path=str(folder), repeat=3)
    feed = open_feed(repeated, config(blend=(repeated,)))
    assert feed.order.num_elements == 42
    passes, rows = np.divmod(np.arange(30), 15)
    addresses = zip(*(column.tolist() for column in feed.unrepeat(passes, np.ones_like(rows), rows)), strict=True)
    assert set(addresses) == {(pass_, row) for pass_ in range(6) for row in range(5)}


def test_a_dataset_that_has_grown_is_another_one_from_where_shards_join(folder: Path) -> None:
    settings = config(("cc", folder))
    feed = open_feed(settings.blend[0], settings)
    grown = replace(feed, earlier=feed, join=14)
    assert [feed.is_as_saved(position) for position in (13, 14)] == [True, True]
    assert [grown.is_as_saved(position) for position in (13, 14)] == [True, False]


def test_an_empty_dataset_is_refused_by_name_and_path(tmp_path: Path) -> None:
    settings = config(("hollow", write_dataset(tmp_path / "hollow", "hollow", 0)))
    with pytest.raises(ValueError, match=r"dataset 'hollow' at .*hollow has no elements \(0 shards\); build it again"):
        open_feed(settings.blend[0], settings)
