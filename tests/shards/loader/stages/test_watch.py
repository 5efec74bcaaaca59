"""The watch: whoever ends first has the clip, only time inside the decoder counts, and few threads may hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from shards.base.errors import TooManyStuck
from shards.loader.stages.pool import Replaced
from shards.loader.stages.watch import MOST_STUCK, Watch, end
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
    """A turn with one clip, as far as the watch knows, in a thread of its own that hangs until it is released."""

    def __init__(self, watch: Watch, key: str = "k", media: Media = b"", fails: str = "") -> None:
        self.origin, self.media, self.thread, self.running = Origin("cc", "0.tar", key), media, 0, list[bool]()
        self.handed, self.release, self.began = threading.Event(), threading.Event(), threading.Event()
        self.seconds, self.errors, self.fails = 0.0, list[Exception](), fails
        self.outcome = ""
        self._own = threading.Thread(target=self._decode, args=(watch,))
        self._own.start()
        assert self.began.wait(WAIT)

    def _decode(self, watch: Watch) -> None:
        with watch.over(self):
            assert self.thread == threading.get_ident()
            running = self.running = [True]
            self.began.set()
            assert self.release.wait(WAIT)
            try:
                end(running)
                self.outcome = "in time"
            except Replaced as late:
                self.outcome = str(late)

    def come_back(self) -> str:
        self.release.set()
        self._own.join(WAIT)
        return self.outcome

    def hand_over(self, seconds: float) -> None:
        self.seconds = seconds
        self.handed.set()
        if self.fails:
            raise RuntimeError(self.fails)

    def stop(self, error: Exception) -> None:
        self.errors.append(error)


def warm(watch: Watch) -> None:
    """Have it see a first batch."""
    assert Work(watch).come_back() == "in time"


@pytest.fixture
def stats() -> Stats:
    return Stats()


@pytest.fixture
def watch(stats: Stats) -> Iterator[Watch]:
    made = Watch(stats, LIMIT)
    warm(made)
    yield made
    made.stop()


@pytest.fixture
def work(watch: Watch) -> Iterator[Callable[..., Work]]:
    made: list[Work] = []

    def make(key: str = "k", media: Media = b"", fails: str = "") -> Work:
        made.append(Work(watch, key, media, fails))
        return made[-1]

    yield make
    for one in made:
        one.come_back()


def test_what_ends_in_time_is_let_be(watch: Watch, stats: Stats) -> None:
    """However many clips a turn has."""
    turn = Work(watch)
    turn.come_back()
    with watch.over(turn):
        for _ in range(4):
            running = turn.running = [True]
            time.sleep(LIMIT / 2)
            end(running)
        time.sleep(2 * LIMIT)
    assert not turn.handed.is_set() and stats.snapshot().given_up == 0


def test_a_clip_that_takes_too_long_belongs_to_its_thread_no_more(work: Callable[..., Work], stats: Stats) -> None:
    began, slow = time.monotonic(), work("slow")
    assert slow.handed.wait(WAIT)
    assert time.monotonic() - began >= LIMIT and slow.seconds == LIMIT
    quick = work("quick")
    assert quick.come_back() == "in time"
    assert slow.come_back() == "another thread has taken this one's place: its clip took too long"
    assert slow.errors == [] and not quick.handed.is_set()
    snapshot = stats.snapshot()
    assert (snapshot.given_up, snapshot.replaced_threads) == (1, 1)


def test_an_end_comes_once() -> None:
    running = [True]
    end(running)
    with pytest.raises(Replaced, match="another thread has taken this one's place: its clip took too long"):
        end(running)


def test_until_the_first_batch_came_there_is_more_time() -> None:
    """A decoder loads its libraries, and a GPU starts."""
    cold = Watch(Stats(), LIMIT)
    began, slow = time.monotonic(), Work(cold)
    assert slow.handed.wait(WAIT) and time.monotonic() - began >= 3 * LIMIT
    assert slow.seconds == LIMIT
    slow.come_back()
    cold.stop()


def test_waiting_for_bytes_does_not_count(work: Callable[..., Work]) -> None:
    came = threading.Event()

    def fetch(spans: object) -> list[bytes]:
        assert came.wait(WAIT)
        return [b"0123"]

    part = PartialMedium(4, KEY_FRAMES, fetch)
    reader = threading.Thread(target=part.whole)
    reader.start()
    until(lambda: part.is_fetching)
    slow = work(media=part)
    assert not slow.handed.wait(3 * LIMIT)
    came.set()
    reader.join()
    assert slow.handed.wait(WAIT)  # what comes after the bytes counts


def test_frames_that_a_file_holds_are_only_read(work: Callable[..., Work]) -> None:
    stored = work(media=MappedFrames(1, lambda number: b"", 4))
    assert not stored.handed.wait(3 * LIMIT)
    assert stored.come_back() == "in time"


def test_clips_are_told_apart_however_quickly_they_follow(watch: Watch, work: Callable[..., Work]) -> None:
    slow, quick = [work(str(number)) for number in range(MOST_STUCK)], work("quick")
    quick.come_back()
    ended = 0
    with watch.over(quick):
        while not all(one.handed.is_set() for one in slow):
            running = quick.running = [True]
            end(running)
            ended += 1
    assert ended > 1000 and not quick.handed.is_set()
    watch.check()


def test_one_thread_more_than_may_hang_stops_all_by_name(watch: Watch, work: Callable[..., Work]) -> None:
    works = [work(str(number)) for number in range(MOST_STUCK)]
    assert all(one.handed.wait(WAIT) for one in works)
    watch.check()
    works.append(work(str(MOST_STUCK)))
    until(lambda: works[-1].errors)
    assert works[-1].handed.wait(WAIT) and not any(one.errors for one in works[:-1])
    for _ in range(2):
        with pytest.raises(TooManyStuck, match=r"5 threads hang in the decoder, each for more than 0\.2 s") as raised:
            watch.check()
    assert str(raised.value).splitlines()[1:] == [f"  cc/0.tar:{number}" for number in range(MOST_STUCK + 1)]
    assert str(works[-1].errors[0]) == str(raised.value)
    works[0].come_back()
    watch.check()


def test_where_no_thread_can_be_started_the_run_stops(work: Callable[..., Work]) -> None:
    slow = work(fails="can't start new thread")
    until(lambda: slow.errors)
    assert str(slow.errors[0]) == "can't start new thread"


def test_without_a_limit_nothing_is_watched() -> None:
    free, before = Watch(Stats(), None), threading.active_count()
    slow = Work(free)
    assert not slow.handed.wait(LIMIT) and threading.active_count() == before + 1
    assert slow.come_back() == "in time"
    free.stop()


def test_it_stops_at_once_where_nothing_is_decoded_and_else_sees_to_it_first() -> None:
    for number in range(2):
        watch = Watch(Stats(), LIMIT, f"watch-{number}")
        warm(watch)
        slow = Work(watch) if number else None
        watch.stop()
        watch.stop()
        assert slow is None or slow.handed.is_set()
        assert not [thread for thread in threading.enumerate() if thread.name == f"watch-{number}"]
        if slow is not None:
            slow.come_back()
