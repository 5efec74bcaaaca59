"""Single reads: damage and impossible rows are named; a store that fails is never taken for a bad sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import SourceError
from shards.dataset.index.rows import MemberRow
from shards.read.fetched import Fetched
from shards.read.reader import Reader
from shards.read.sample import Origin, SampleError
from shards.storage.local import LocalSource
from shards.storage.pread import read_ranges_in_python
from shards.storage.source import Range
from tests.shards.odd_dataset import GOOD, dataset_of, member


@pytest.mark.parametrize("ext", ["mp4", "json"])
def test_one_flipped_bit_spoils_one_sample_and_says_where(folder: Path, draw: np.random.Generator, ext: str) -> None:
    offset, size = member(folder, "s0002", ext)
    with open(folder / "000000.tar", "r+b") as file:
        file.seek(offset + size // 2)
        byte = file.read(1)[0]
        file.seek(offset + size // 2)
        file.write(bytes([byte ^ 4]))
    toy = Reader("toy", str(folder), "sample")
    with pytest.raises(
        SampleError, match=rf"^toy/000000\.tar:s0002: \.{ext} is damaged: checksum \w+, the index expects"
    ) as info:
        toy.read(0, 2, draw)
    assert info.value.origin == Origin("toy", "000000.tar", "s0002")
    for row in (0, 1, 3, 4, 5, 6):
        toy.read(0, row, draw)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"num_records": 0}, "has no text record"),
        ({"members": ()}, "needs a medium and a json or txt, has nothing"),
        ({"members": (MemberRow("json", 5, 5, 0),)}, "needs a medium and a json or txt, has json"),
        ({"members": (MemberRow("mp4", 0, 1 << 40, 0), MemberRow("json", 5, 9, 0))}, r"\.mp4 has 1099511627776 bytes"),
        ({"members": (MemberRow("mp4", 0, 5, 0), MemberRow("json", 5, 1 << 25, 0))}, r"\.json has 33554432 bytes"),
        (
            {"members": (MemberRow("mp4", -9, 5, 0), MemberRow("json", 5, 9, 0))},
            r"\.mp4 should be bytes -9 to -4 of 36",
        ),
        (
            {"members": (MemberRow("mp4", 0, 500, 0), MemberRow("json", 5, 9, 0))},
            r"\.mp4 should be bytes 0 to 500 of 36",
        ),
        (
            {"members": (MemberRow("mp4", 1 << 40, 5, 0), MemberRow("json", 5, 9, 0))},
            r"\.mp4 should be bytes 1099511627776 to \d+ of 36",
        ),
    ],
)
def test_bad_rows_of_a_foreign_index_are_sample_errors(
    tmp_path: Path, draw: np.random.Generator, row: dict[str, object], reason: str
) -> None:
    odd = dataset_of(tmp_path / "odd", GOOD, **row)
    with pytest.raises(SampleError, match=reason) as alone:
        odd.read(0, 0, draw)
    if odd.counts[0] and reason != "has no text record":
        (together,) = odd.fetch([0], [0])
        assert str(together) == str(alone.value)


@pytest.mark.parametrize("gap", [0, 1 << 16, 1 << 17])
@pytest.mark.parametrize("is_turned", [False, True])
def test_members_may_lie_in_any_order_and_far_apart(
    tmp_path: Path, draw: np.random.Generator, gap: int, is_turned: bool
) -> None:
    class Counting(LocalSource):
        num_bytes = 0

        def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
            data = super().read(name, offset, length)
            self.num_bytes += len(data)
            return data

        def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
            pieces = super().read_many(ranges)
            self.num_bytes += sum(map(len, pieces))
            return pieces

    toy = dataset_of(tmp_path / "odd", GOOD, gap=gap)
    if is_turned:
        members = toy.index.rows(0).members(0)
        toy = dataset_of(tmp_path / "turned", GOOD, gap=gap, members=members[::-1])
    toy.source = source = Counting(str(tmp_path / ("turned" if is_turned else "odd")))
    assert toy.read(0, 0, draw).media == b"media" and toy.read(0, 0, draw).record == {"caption": "c"}
    (fetched,) = toy.fetch([0], [0])
    assert isinstance(fetched, Fetched) and (fetched.media, fetched.json) == (b"media", GOOD)
    assert source.num_bytes == 3 * (len(b"media") + len(GOOD))


def test_a_store_that_gives_less_than_it_has_is_no_sample_error(
    folder: Path, draw: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Reader("toy", str(folder))
    toy.origin(0, 0)
    monkeypatch.setattr("shards.storage.local.read_ranges", read_ranges_in_python)  # the compiled one has no os.pread
    monkeypatch.setattr("os.pread", lambda fd, length, offset: b"")
    with pytest.raises(SourceError, match=r"000000\.tar: gave only 0 of \d+ bytes of \.mp4 at 1536"):
        toy.read(0, 0, draw)
