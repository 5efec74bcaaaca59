"""Ranks meet, and those that do not come are named."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mcg.launch.meeting import MeetingError, meet
from mcg.launch.ranks import Place


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _places(world: int) -> list[Place]:
    port = _free_port()
    return [Place(rank, world, rank, "127.0.0.1", port) for rank in range(world)]


def test_ranks_meet_in_any_order_and_know_each_other() -> None:
    places = _places(3)
    with ThreadPoolExecutor(3) as pool:
        met = list(pool.map(lambda place: meet(place, 60, {}), places[::-1]))
    assert {m.names for m in met} == {(f"{socket.gethostname()}, pid {os.getpid()}",) * 3}
    met[0].store.set("told", "by the last")
    assert met[2].store.get("told") == b"by the last"


def test_one_process_meets_itself_on_a_port_of_its_own() -> None:
    assert len(meet(Place(), 60, {}).names) == 1


def test_ranks_that_do_not_come_are_named() -> None:
    first, second, _, _ = _places(4)
    with ThreadPoolExecutor(2) as pool:
        came = [pool.submit(meet, place, 2, {}) for place in (first, second)]
        for place in came:
            with pytest.raises(MeetingError, match=r"rank 2, 3 of 4 did not start within 2 s; here are 0 on .*; 1 on "):
                place.result()


def test_a_rank_0_that_does_not_come_is_named() -> None:
    with pytest.raises(MeetingError, match=r"rank 1 waited 1 s for rank 0 at 127.0.0.1:\d+, and nobody answers"):
        meet(_places(2)[1], 1, {})


def test_a_port_in_use_is_told_with_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MeetingError, match=rf"port {port} of .* is in use.*MASTER_PORT; deepspeed --master_port"):
            meet(replace(Place(), world=2, port=port), 5, {})


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(MeetingError, match=r"MASTER_ADDR 'nowhere.invalid' is no host .*hostfile"):
        meet(Place(1, 2, 0, "nowhere.invalid", 29500), 0.5, {})


def test_the_store_of_an_agent_is_joined_and_a_restart_begins_anew() -> None:
    places = _places(1)
    held = meet(places[0], 60, {})
    agent = {"TORCHELASTIC_USE_AGENT_STORE": "True"}
    first, again = (meet(places[0], 60, {**agent, "TORCHELASTIC_RESTART_COUNT": count}) for count in "01")
    assert first.held_by_agent and not held.held_by_agent
    first.store.set("key", "of the first attempt")
    assert not again.store.check(["key"])
