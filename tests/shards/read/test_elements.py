"""Elements: every record is one, or every sample with a drawn record; what does not exist is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shards.media.facts import MediaFacts
from shards.read.reader import Reader
from shards.read.sample import Origin


def test_every_record_is_one_element(folder: Path, draw: np.random.Generator, facts: MediaFacts) -> None:
    toy = Reader("toy", str(folder), elements="record")
    assert toy.counts.tolist() == [13, 14, 15, 7]
    seen = []
    for shard, count in enumerate(toy.counts):
        for row in range(count):
            sample = toy.read(shard, row, draw)
            assert sample.origin == toy.origin(shard, row)
            assert sample.origin == Origin("toy", f"{shard:06d}.tar", sample.origin.key)
            i = int(sample.origin.key[1:])
            assert sample.media == np.random.default_rng(i).bytes(100 + 37 * i)
            assert sample.facts == facts and sample.meta == {"source": i}
            assert sample.record == {"caption": f"caption {sample.record_index} of {i}"}
            seen.append((i, sample.record_index))
    assert seen == [(i, record) for i in range(25) for record in range(1 + i % 3)]


def test_every_sample_is_one_element_with_a_drawn_record(folder: Path) -> None:
    toy = Reader("toy", str(folder), elements="sample")
    assert toy.counts.tolist() == [7, 7, 7, 4]
    records = [toy.read(0, 2, np.random.default_rng(i)).record_index for i in range(60)]
    assert set(records) == {0, 1, 2}
    assert records[5] == toy.read(0, 2, np.random.default_rng(5)).record_index


@pytest.mark.parametrize(("shard", "row"), [(4, 0), (-1, 0), (0, 13), (0, -1)])
def test_an_address_that_does_not_exist_is_a_mistake_of_the_caller(
    folder: Path, draw: np.random.Generator, shard: int, row: int
) -> None:
    with pytest.raises(IndexError, match=f"toy: no element {row} in shard {shard}"):
        Reader("toy", str(folder)).read(shard, row, draw)


@pytest.mark.parametrize(("shard", "row"), [(4, 0), (-1, 0), (0, 13), (0, -1)])
def test_many_at_once_with_an_address_that_does_not_exist(folder: Path, shard: int, row: int) -> None:
    with pytest.raises(IndexError, match=f"toy: no element {row} in shard {shard}"):
        Reader("toy", str(folder)).fetch([0, shard], [0, row])


def test_unknown_elements_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="elements is 'rows', allowed are 'record' and 'sample'"):
        Reader("toy", str(folder), elements="rows")  # type: ignore[arg-type]
