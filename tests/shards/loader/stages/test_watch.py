"""The watch: whoever ends first has the clip, only time inside the decoder counts, and few threads may hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from shards.base.errors import TooManyStuck
from shards.loader.stages.pool import Replaced
from shards.loader.stages.watch import MOST_STUCK, Watch
from shards.loader.stats import Stats
from shards.media.facts import KeyFrames
from shards.media.mapped import MappedFrames
from shards.media.medium import Media
from shards.media.partial import PartialMedium
from shards.read.sample import Origin
from tests.shards.far_folder import WAIT, until

LIMIT = 0.2
KEY_FRAMES = KeyFrames([0, 1], [0.0, 1.0], [0, 1])


class Work:
    """A clip that is decoded, as far as the watch knows."""

    def __init__(self, key: str = "k", media: Media = b"") -> None:
        self.origin, self.media, self.thread = Origin("cc", "0.tar", key), media, 0
        self.handed = threading.Event()
        self.seconds = 0.0
        self.errors: list[Exception] = []

    def hand_over(self, seconds: float) -> None:
        self.seconds = seconds
        self.handed.set()

    def stop(self, error: Exception) -> None:
        self.errors.append(error)


class NoThreads(Work):
    def hand_over(self, seconds: float) -> None:
        super().hand_over(seconds)
        raise RuntimeError("can't start new thread")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watch whose first clip has come in time."""
    made = Watch(Stats(), LIMIT)
    made.end(made.begin(Work()))
    yield made
    made.stop()


def test_what_ends_in_time_is_let_be(watch: Watch) -> None:
    works = [Work() for _ in range(3)]
    for work in works:
        ticket = watch.begin(work)
        assert work.thread == threading.get_ident()
        time.sleep(LIMIT / 4)
        watch.end(ticket)
    time.sleep(2 * LIMIT)
    assert not any(work.handed.is_set() for work in works)


def test_a_clip_that_takes_too_long_is_handed_over_and_belongs_to_its_thread_no_more(watch: Watch) -> None:
    slow, quick = Work("slow"), Work("quick")
    began, ticket = time.monotonic(), watch.begin(slow)
    assert slow.handed.wait(WAIT)
    assert time.monotonic() - began >= LIMIT and slow.seconds == LIMIT
    other = watch.begin(quick)
    with pytest.raises(Replaced, match="another thread has taken this one's place: its clip took too long"):
        watch.end(ticket)
    watch.end(other)
    assert slow.errors == [] and not quick.handed.is_set()


def test_until_the_first_clip_came_there_is_more_time() -> None:
    """A decoder loads its libraries, and a GPU starts."""
    cold, work = Watch(Stats(), LIMIT), Work()
    began = time.monotonic()
    cold.begin(work)
    assert work.handed.wait(WAIT) and time.monotonic() - began >= 3 * LIMIT
    assert work.seconds == LIMIT
    cold.stop()


@pytest.mark.parametrize("stored", [False, True], ids=["fetching", "stored"])
def test_waiting_for_bytes_does_not_count(watch: Watch, stored: bool) -> None:
    came = threading.Event()

    def fetch(spans: object) -> list[bytes]:
        assert came.wait(WAIT)
        return [b"0123"]

    part = PartialMedium(4, KEY_FRAMES, fetch)
    work = Work(media=MappedFrames(1, lambda number: b"", 4) if stored else part)
    ticket = watch.begin(work)
    reader = threading.Thread(target=part.whole)
    reader.start()
    assert not work.handed.wait(3 * LIMIT)
    came.set()
    reader.join()
    assert part.whole() == b"0123"
    if stored:
        watch.end(ticket)
    else:
        assert work.handed.wait(WAIT)  # what comes after the bytes counts


def test_many_clips_at_a_time_are_told_apart(watch: Watch) -> None:
    slow = [Work(str(number)) for number in range(MOST_STUCK)]
    for work in slow:
        watch.begin(work)
    stop, ended = threading.Event(), [0]

    def decode() -> None:
        while not stop.is_set():
            watch.end(watch.begin(Work("quick")))
            ended[0] += 1

    thread = threading.Thread(target=decode)
    thread.start()
    assert all(work.handed.wait(WAIT) for work in slow)
    stop.set()
    thread.join()
    assert ended[0] > 1000
    watch.check()


def test_one_thread_more_than_may_hang_stops_all_by_name(watch: Watch) -> None:
    works = [Work(str(number)) for number in range(MOST_STUCK + 1)]
    tickets = [watch.begin(work) for work in works[:-1]]
    assert all(work.handed.wait(WAIT) for work in works[:-1])
    watch.check()
    tickets.append(watch.begin(works[-1]))
    until(lambda: works[-1].errors)
    assert works[-1].handed.wait(WAIT) and not any(work.errors for work in works[:-1])
    for _ in range(2):
        with pytest.raises(TooManyStuck, match=r"5 threads hang in the decoder, each for more than 0\.2 s") as raised:
            watch.check()
    assert str(raised.value).splitlines()[1:] == [f"  cc/0.tar:{number}" for number in range(MOST_STUCK + 1)]
    assert str(works[-1].errors[0]) == str(raised.value)
    with pytest.raises(Replaced):
        watch.end(tickets[0])  # it came back
    watch.check()


def test_where_no_thread_can_be_started_the_run_stops(watch: Watch) -> None:
    work = NoThreads()
    watch.begin(work)
    until(lambda: work.errors)
    assert str(work.errors[0]) == "can't start new thread"


def test_without_a_limit_nothing_is_watched() -> None:
    free, before = Watch(Stats(), None), threading.active_count()
    free.end(free.begin(Work()))
    assert threading.active_count() == before
    free.stop()


def test_it_counts_what_it_gave_up() -> None:
    stats, work = Stats(), Work()
    watch = Watch(stats, LIMIT)
    watch.end(watch.begin(Work()))
    watch.begin(work)
    assert work.handed.wait(WAIT)
    watch.stop()
    snapshot = stats.snapshot()
    assert (snapshot.given_up, snapshot.replaced_threads) == (1, 1)


def test_it_stops_at_once_where_nothing_is_decoded_and_else_sees_to_it_first() -> None:
    for number in range(2):
        watch, work = Watch(Stats(), LIMIT, f"watch-{number}"), Work()
        watch.end(watch.begin(Work()))
        if number:
            watch.begin(work)
        watch.stop()
        watch.stop()
        assert work.handed.is_set() == bool(number)
        assert not [thread for thread in threading.enumerate() if thread.name == f"watch-{number}"]
