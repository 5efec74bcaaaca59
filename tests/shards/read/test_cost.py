"""Costs: the pixels that a decoder goes through, by the index, in the order in which the elements are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from shards.media.facts import KeyFrames
from shards.read.reader import Reader
from tests.shards.clips_of_cost import film, table, write_clips
from tests.shards.small_dataset import write_dataset

FACTS = [film(640, 360, 250), film(320, 240, 250), film(1920, 1080, 40), film(640, 360, 90_000), film(0, 0, 0)]
PIXELS = [640 * 360, 320 * 240, 1920 * 1080, 640 * 360, 0]


def costs(reader: Reader, rows: list[int]) -> list[float]:
    found = reader.costs(reader.find([0] * len(rows), rows))
    assert found is not None
    return found.tolist()


def test_without_gop_tables_all_frames_are_gone_through(tmp_path: Path) -> None:
    reader = Reader("web", str(write_clips(tmp_path, FACTS)), partial_bytes=1 << 22)
    expected = [pixels * facts.num_frames for pixels, facts in zip(PIXELS, FACTS, strict=True)]
    assert costs(reader, [3, 0, 4, 1, 2, 0]) == [expected[at] for at in (3, 0, 4, 1, 2, 0)]


@pytest.mark.parametrize("num_marks", [0, 3])
def test_with_gop_tables_a_clip_costs_a_few_halves_of_gops_at_most(tmp_path: Path, num_marks: int) -> None:
    tables = [table(250, 5, num_marks), table(250, 250), table(40, 20), table(90_000, 60), KeyFrames([], [], [])]
    folder = write_clips(tmp_path, FACTS, tables)
    frames = [8 * 6 / 2, 250, 40, 8 * 61 / 2, 0]
    expected = [pixels * count for pixels, count in zip(PIXELS, frames, strict=True)]
    assert costs(Reader("web", str(folder), partial_bytes=1 << 22), [4, 3, 2, 1, 0]) == expected[::-1]
    whole = costs(Reader("web", str(folder), partial_bytes=None), [0, 3])
    assert whole == [640 * 360 * 250, 640 * 360 * 90_000]  # read without its tables


@pytest.mark.parametrize("elements", ["record", "sample"])
def test_elements_of_many_shards_are_told_in_the_order_of_asking(
    tmp_path: Path, elements: Literal["record", "sample"]
) -> None:
    facts = [film(16, 16, 1 + number) for number in range(23)]
    reader = Reader("web", str(write_clips(tmp_path, facts, num_records=2)), elements)
    addresses = [(shard, row) for shard, count in enumerate(reader.counts) for row in range(count)]
    drawn = np.random.default_rng(0).permutation(addresses)
    found = reader.find(*drawn.T)
    told = reader.costs(found)
    parts = [reader.costs(found.part(start, start + 5)) for start in range(0, len(drawn), 5)]
    per_sample = 2 if elements == "record" else 1
    expected = [256 * (1 + 5 * shard + row // per_sample) for shard, row in drawn.tolist()]
    assert told is not None and told.tolist() == expected
    assert np.concatenate([part for part in parts if part is not None]).tolist() == expected


def test_where_there_are_pictures_only_nothing_is_told(tmp_path: Path) -> None:
    reader = Reader("web", str(write_dataset(tmp_path / "web", "web", 7)))
    assert reader.costs(reader.find([0, 1], [0, 0])) is None
    assert reader.costs(reader.find([], [])) is None
