"""What one process has of a remote source."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from shards.base.counters import Counters
from shards.base.environment import number_from_environment
from shards.base.errors import AccessDenied, ChangedFile, MissingFile, SourceError
from shards.base.redact import scrub
from shards.storage.open_store import open_store
from shards.storage.remote import _log
from shards.storage.request_failed import Failure
from shards.storage.source import CONNECTIONS, Stat
from shards.storage.stores import Waits

if TYPE_CHECKING:
    from tenacity import RetryCallState


DEADLINE_SECONDS = 300.0
DEADLINE_VARIABLE = "MCG_SOURCE_DEADLINE"
"""How long a request is tried; the variable is read when a source is first used."""
_SLOWEST = 1 << 17
"""Bytes a second; a slower answer counts as one that hangs."""
Kind = Literal["stat", "list", "range", "part"]
_T = TypeVar("_T")
TRAFFIC = ("stat", "list", "range", "part", "bytes", "retries", "seconds_throttled")
"""What a source counts in each process: requests by kind, attempts counted each, and what came of them."""


class _Client:
    """What one process has of a source."""

    def __init__(self, address: str, deadline: float | None, roots: tuple[str, ...], waits: Waits) -> None:
        if deadline is None:
            deadline = number_from_environment(DEADLINE_VARIABLE, DEADLINE_SECONDS, "seconds")
        self._address = address
        self.store, self._loop = open_store(address, roots, waits)
        self.traffic = Counters(*TRAFFIC)
        self.said: dict[str, Stat] = {}
        """Of each file, what came with the last range of it."""
        self.running: set[Future[Any]] = set()
        self._deadline, self._waits = deadline, waits
        self._slots = asyncio.Semaphore(CONNECTIONS)
        # Of its own: ranks must not wait equally long, and the numbers of the user's generator are the user's.
        self._random = random.Random()
        self._next_warning = 0.0
        self._was_throttled = False

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for work that runs on the event loop; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self.running.add(future)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self.running.discard(future)

    async def request(self, kind: Kind, url: str, ask: Callable[[], Awaitable[_T]], num_bytes: int = 0) -> _T:
        """Ask, again and again if need be. url: for errors. num_bytes: about how many the answer will have."""
        from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_before_delay

        async with self._slots:
            start = time.monotonic()

            async def once() -> _T:
                self.traffic.add(kind)
                left = max(1.0, start + self._deadline - time.monotonic())
                limit = min(left, self._waits.connect + self._waits.read + num_bytes / _SLOWEST)
                try:
                    return await asyncio.wait_for(ask(), limit)
                except TimeoutError as error:
                    raise Failure("again", f"no whole answer within {limit:.0f} s") from error

            try:
                return await AsyncRetrying(
                    retry=retry_if_exception(_may_pass),
                    wait=self._pause,
                    stop=partial(self._is_over, stop_before_delay(self._deadline)),
                    before_sleep=partial(self._note, url, start),
                )(once)
            except RetryError as error:
                last = error.last_attempt
                failed = self._without_secrets(last.exception())
                raise _final(url, failed, last.attempt_number, time.monotonic() - start) from failed
            except Failure as failure:
                raise _final(url, self._without_secrets(failure), 1, 0.0) from failure

    def _without_secrets(self, failure: BaseException | None) -> Failure:
        assert isinstance(failure, Failure)
        failure.reason, failure.args = scrub(failure.reason, self._address), ()
        return failure

    def _is_over(self, at_deadline: Callable[[RetryCallState], bool], state: RetryCallState) -> bool:
        """Whether to give up: at the deadline, or sooner where the reason hardly ever passes."""
        failure = state.outcome.exception() if state.outcome else None
        waited = (state.seconds_since_start or 0.0) + state.upcoming_sleep
        too_long = isinstance(failure, Failure) and failure.hardly_passes and waited > self._waits.hardly
        return too_long or at_deadline(state)

    def _pause(self, state: RetryCallState) -> float:
        assert state.outcome is not None
        failure = state.outcome.exception()
        assert isinstance(failure, Failure)
        first = self._waits.throttled if failure.kind == "throttled" else self._waits.pause
        longest = min(self._waits.longest, first * 2 ** min(16, state.attempt_number - 1))
        # Added to what the store wants: processes that it throttled at the same time must not come back so.
        return failure.pause + self._random.uniform(0, longest)

    def _note(self, url: str, start: float, state: RetryCallState) -> None:
        """Count a failure that is followed by another attempt, and say so if it goes on for long."""
        assert state.outcome is not None and state.next_action is not None
        failure = self._without_secrets(state.outcome.exception())
        self.traffic.add("retries")
        if failure.kind == "throttled":
            self.traffic.add("seconds_throttled", state.next_action.sleep)
        now = time.monotonic()
        if failure.kind == "throttled" and not self._was_throttled:
            self._was_throttled = True
            _log.warning(
                "%s: %s; the store asks for fewer requests, so they wait longer from here on", url, failure.reason
            )
        elif now - start > self._waits.warning and now > self._next_warning:
            self._next_warning = now + self._waits.warning
            left = self._deadline - (now - start)
            _log.warning("%s: %s; trying again for up to %.0f s", url, failure.reason, left)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Failure) and error.kind in ("again", "throttled")


def _final(url: str, failure: BaseException | None, attempts: int, seconds: float) -> SourceError:
    assert isinstance(failure, Failure)
    reason = failure.reason
    remedy = f"; {failure.remedy}" if failure.remedy else ""
    if failure.kind == "missing":
        why = f" ({reason})" if reason else ""
        return MissingFile(
            f"{url}: not found{why}; {failure.remedy or 'check the path, or whether the dataset was built here'}"
        )
    if failure.kind == "changed":
        return ChangedFile(url, *reason.split(" before, now "))
    if failure.kind == "denied":
        return AccessDenied(f"{url}: access refused ({reason}){remedy}")
    if failure.kind == "refused":
        return SourceError(f"{url}: {reason}{remedy}")
    tried = f"{url}: cannot be read ({reason}), tried {attempts} times in {seconds:.0f} s"
    if failure.hardly_passes:
        return SourceError(f"{tried}{remedy}")
    return SourceError(
        f"{tried}; check the address and the store, or let it take longer ({DEADLINE_VARIABLE}, seconds)"
    )
