"""Parts of a shard: requests for adjacent ones, and which bytes have come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shards.cache.parts import Parts


def test_a_request_takes_adjacent_parts_from_the_start_on_and_what_lies_before_comes_last() -> None:
    parts = Parts(100, 10, start=37)
    assert parts.is_untouched and parts.num_open == 10 and parts.next_bytes == 0
    assert parts.take(2) == (37, 21) and parts.next_bytes == 21
    assert parts.take(8) == (58, 42)
    assert (parts.num_open, parts.take(8), parts.num_open) == (4, (0, 37), 0)


def test_what_a_reader_waits_for_comes_first() -> None:
    parts = Parts(100, 10)
    assert parts.take(1) == (0, 10) and not parts.is_asked_for
    assert not parts.ask(3, 5)  # on its way
    assert parts.ask(75, 10) and not parts.ask(75, 10) and parts.is_asked_for
    assert parts.take(1) == (70, 10) and parts.is_asked_for
    assert parts.take(8) == (80, 20) and not parts.is_asked_for
    assert parts.take(8) == (10, 60)


def test_an_empty_shard_is_one_request_of_no_bytes() -> None:
    parts = Parts(0, 10)
    assert (parts.num_open, parts.take(8), parts.num_open) == (1, (0, 0), 0) and parts.has(0, 0)


@given(st.integers(1, 200), st.integers(1, 60), st.data())
def test_every_byte_is_asked_for_once_and_there_when_it_has_come(size: int, part: int, data: st.DataObject) -> None:
    parts = Parts(size, part, data.draw(st.integers(0, size - 1)))
    come = [False] * size
    requests = []
    while parts.num_open or requests:
        if parts.num_open and (not requests or data.draw(st.booleans())):
            requests.append(list(parts.take(data.draw(st.integers(1, 4)))))
            continue
        request = data.draw(st.sampled_from(requests))
        piece = data.draw(st.integers(1, request[1]))
        parts.land(request[0], piece)
        assert not any(come[request[0] : request[0] + piece])
        come[request[0] : request[0] + piece] = [True] * piece
        request[0], request[1] = request[0] + piece, request[1] - piece
        if not request[1]:
            requests.remove(request)
        offset = data.draw(st.integers(0, size - 1))
        length = data.draw(st.integers(0, size - offset))
        assert parts.has(offset, length) == all(come[offset : offset + length])
    assert all(come)
