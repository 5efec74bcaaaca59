"""Parts of media: the right bytes, each fetched once, near ones together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.counters import Counters
from shards.base.errors import MediaError, SourceError
from shards.media.facts import KeyFrames
from shards.media.medium import whole
from shards.media.partial import BLOCK, COUNTS, FETCH_SIZES, PartialMedium
from shards.media.spans import Span
from shards.media.videos.seekable import usable
from tests.shards.films import Store

SIZE = 40 * BLOCK
DATA = bytes(range(256)) * (SIZE // 256)
TABLE = KeyFrames([0, 50, 100, 150], [0.0, 2.0, 4.0, 6.0], [100, 10 * BLOCK, 20 * BLOCK, 30 * BLOCK])


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.integers(0, 200), max_size=2).map(lambda frames: ("bring", frames)),
            st.tuples(st.integers(0, SIZE - 1), st.integers(1, 3 * BLOCK)).map(lambda where: ("read", where)),
            st.just(("whole", None)),
        ),
        max_size=6,
    )
)
def test_reads_give_the_right_bytes_and_none_is_fetched_twice(steps: list[tuple[str, object]]) -> None:
    store = Store(DATA)
    medium = store.medium(TABLE)
    for verb, arguments in steps:
        if verb == "bring":
            medium.bring(arguments)  # type: ignore[arg-type]
        elif verb == "read":
            start, length = arguments  # type: ignore[misc]
            piece = medium.read(start, length)
            assert piece and DATA[start : start + len(piece)] == piece and len(piece) <= length
        else:
            assert medium.whole() == DATA


def test_it_tells_others_while_it_waits_for_bytes() -> None:
    told = []

    def fetch(spans: Sequence[Span]) -> list[bytes]:
        told.append(medium.is_fetching)
        if len(told) == 2:
            raise SourceError("the store is away")
        return [DATA[start:stop] for start, stop in spans]

    medium = PartialMedium(SIZE, TABLE, fetch)
    medium.bring([60])
    assert not medium.is_fetching
    with pytest.raises(SourceError, match="the store is away"):
        medium.whole()
    assert told == [True, True] and not medium.is_fetching


def test_a_clip_is_brought_in_one_go() -> None:
    store, counts = Store(DATA), Counters(*COUNTS)
    medium = store.medium(TABLE, counts)
    medium.bring([60, 70])
    medium.bring([60])
    tables = FETCH_SIZES.header_bytes + 150 * 16  # as much for every frame up to the last key frame
    assert store.requests == [
        [(0, 100 + (10 * BLOCK - 100) // 4), (10 * BLOCK - FETCH_SIZES.before, 20 * BLOCK), (SIZE - tables, SIZE)]
    ]
    told = counts.snapshot()
    assert (told["media"], told["bytes"], told["whole"]) == (1, SIZE, 0)
    assert told["fetched_bytes"] == sum(store.given) < 0.4 * SIZE


def test_the_end_of_a_file_with_its_tables_in_front_is_left_alone() -> None:
    store = Store(DATA)
    medium = store.medium(TABLE._replace(offsets=[9 * BLOCK, *TABLE.offsets[1:]]))
    assert medium.opening() == [(0, 10 * BLOCK)]


def test_a_frame_at_the_end_of_a_gop_brings_the_beginning_of_the_next() -> None:
    store = Store(DATA)
    store.medium(TABLE).bring([98])
    assert (10 * BLOCK - FETCH_SIZES.before, 21 * BLOCK) in store.requests[0]


def test_what_is_nearly_all_is_fetched_whole_and_checked() -> None:
    checked: list[bytes] = []
    store, counts = Store(DATA), Counters(*COUNTS)
    medium = PartialMedium(SIZE, TABLE, store.fetch, checked.append, counts)
    medium.bring([10, 60, 120])
    assert store.requests == [[(0, SIZE)]] and checked == [DATA] and counts.snapshot()["whole"] == 1
    assert medium.whole() == whole(medium) == whole(DATA) == DATA and checked == [DATA]


def test_damage_is_found_when_all_bytes_are_there() -> None:
    def check(data: bytes) -> None:
        raise MediaError(".mp4 is damaged")

    medium = PartialMedium(SIZE, TABLE, Store(DATA).fetch, check)
    medium.bring([60])
    with pytest.raises(MediaError, match=r"^\.mp4 is damaged$"):
        medium.whole()


def test_reading_on_takes_larger_and_larger_blocks() -> None:
    store = Store(DATA)
    file = store.medium(TABLE).open()
    found = b""
    while piece := file.read(1000):
        found += piece
    sizes = [stop - start for [(start, stop)] in store.requests]
    assert found == DATA and sizes[:4] == [BLOCK, 2 * BLOCK, 4 * BLOCK, 8 * BLOCK] and len(sizes) < 8


def test_an_error_of_the_store_is_kept() -> None:
    def fetch(spans: object) -> list[bytes]:
        raise OSError("cut off")

    medium = PartialMedium(SIZE, TABLE, fetch)
    with pytest.raises(OSError, match="cut off"):
        medium.read(0, 10)
    assert str(medium.error) == "cut off"


def test_offsets_need_not_rise() -> None:
    table = KeyFrames([0, 10, 20], [0.0, 1.0, 2.0], [30 * BLOCK, 100, 15 * BLOCK])
    store = Store(DATA)
    assert usable(table, SIZE)
    store.medium(table).bring([12])
    assert sum(store.given[100 : 15 * BLOCK]) == 15 * BLOCK - 100
