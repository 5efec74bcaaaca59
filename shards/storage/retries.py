"""Retries: when a failed request to a store is sent again, when it is given up, and what is said of it.

Promises: a request is retried after an error that may pass, after 0.1 s, then up to twice as long each time (10 s at
most, a random share of it), where a store is throttling after 1 s. A request that hangs, or that brings less than
128 KiB a second, is cancelled and retried. After `deadline` seconds a SourceError says how often it was tried and why
it failed last; where a retry will hardly ever help (an unknown host) it says so after 10 s. Missing files and refused
access are raised at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from shards.base.counters import Counters
from shards.base.environment import number_from_environment
from shards.base.errors import AccessDenied, ChangedFile, MissingFile, SourceError
from shards.base.printing import logger
from shards.base.redact import scrub
from shards.storage.stores.request_failed import RequestFailed
from shards.storage.stores.store import Waits

if TYPE_CHECKING:
    from tenacity import Future, RetryCallState

_DEADLINE_SECONDS = 300.0
_DEADLINE_VARIABLE = "MCG_SOURCE_DEADLINE"
"""Seconds for which a request is retried; the variable is read when a source is first used."""
_SLOWEST = 1 << 17
"""Bytes a second; a slower answer counts as one that hangs."""
_LEAST_SECONDS = 1.0
"""The least time that an attempt has, however near the deadline is."""
_T = TypeVar("_T")


def retry_seconds() -> float:
    """How long a request is retried where nothing else is said: what the environment says, or 300. Raises
    ConfigError."""
    return number_from_environment(_DEADLINE_VARIABLE, _DEADLINE_SECONDS, "seconds")


_log = logger(__name__)


class Retries:
    """The attempts at the requests of one source, in one process."""

    def __init__(self, address: str, deadline: float | None, waits: Waits, traffic: Counters) -> None:
        """address: its secrets are not shown. deadline: seconds for one request; None: what the environment says."""
        if deadline is None:
            deadline = retry_seconds()
        self._address, self._deadline, self._waits, self._traffic = address, deadline, waits, traffic
        # A generator of its own: ranks with the user's seed would all pause equally long, and would use up his numbers.
        self._random = random.Random()
        self._next_warning = 0.0
        self._was_throttled = False

    async def run(self, url: str, ask: Callable[[], Awaitable[_T]], num_bytes: int = 0) -> _T:
        """The result of `ask`, called until it succeeds. Raises SourceError.

        url: what the errors name. num_bytes: about how many bytes the answer will have.
        """
        from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_before_delay

        start = time.monotonic()

        async def attempt() -> _T:
            left = max(_LEAST_SECONDS, start + self._deadline - time.monotonic())
            limit = min(left, self._waits.connect + self._waits.read + num_bytes / _SLOWEST)
            try:
                return await asyncio.wait_for(ask(), limit)
            except TimeoutError as error:
                raise RequestFailed("unavailable", f"no whole answer within {limit:.0f} s") from error

        try:
            return await AsyncRetrying(
                retry=retry_if_exception(lambda error: isinstance(error, RequestFailed) and error.retryable),
                wait=self._pause,
                stop=partial(self._is_over, stop_before_delay(self._deadline)),
                before_sleep=partial(self._note, url, start),
            )(attempt)
        except RetryError as error:
            failed = self._without_secrets(_failure_of(error.last_attempt))
            raise _gave_up(url, failed, error.last_attempt.attempt_number, time.monotonic() - start) from failed
        except RequestFailed as failed:
            raise _final(url, self._without_secrets(failed)) from failed

    def _without_secrets(self, failed: RequestFailed) -> RequestFailed:
        # args too, which a traceback would show.
        failed.reason, failed.args = scrub(failed.reason, self._address), ()
        return failed

    def _is_over(self, at_deadline: Callable[[RetryCallState], bool], state: RetryCallState) -> bool:
        """True at the deadline, and sooner where a retry will hardly ever succeed."""
        waited = (state.seconds_since_start or 0.0) + state.upcoming_sleep
        too_long = _failure_of(state.outcome).unlikely and waited > self._waits.unlikely
        return too_long or at_deadline(state)

    def _pause(self, state: RetryCallState) -> float:
        failed = _failure_of(state.outcome)
        first = self._waits.throttled if failed.kind == "throttled" else self._waits.pause
        # The exponent is bounded: a float times 2 ** 1024 raises OverflowError.
        longest = min(self._waits.longest, first * 2 ** min(16, state.attempt_number - 1))
        # Added to what the store asks for: processes that it throttled at once must not come back at once.
        return failed.pause + self._random.uniform(0, longest)

    def _note(self, url: str, start: float, state: RetryCallState) -> None:
        """Count a failure that will be retried, and warn of it if requests fail for long."""
        assert state.next_action is not None
        failed = self._without_secrets(_failure_of(state.outcome))
        self._traffic.add("retries")
        if failed.kind == "throttled":
            self._traffic.add("seconds_throttled", state.next_action.sleep)
        now = time.monotonic()
        if failed.kind == "throttled" and not self._was_throttled:
            self._was_throttled = True
            _log.warning(
                "%s: %s; the store asks for fewer requests, so they wait longer from here on", url, failed.reason
            )
        elif now - start > self._waits.warning and now > self._next_warning:
            self._next_warning = now + self._waits.warning
            left = self._deadline - (now - start)
            _log.warning("%s: %s; trying again for up to %.0f s", url, failed.reason, left)


def _failure_of(attempt: Future | None) -> RequestFailed:
    """The failure of an attempt, as tenacity keeps it."""
    failed = None if attempt is None else attempt.exception()
    assert isinstance(failed, RequestFailed)
    return failed


def _final(url: str, failed: RequestFailed) -> SourceError:
    """The error for a request that would fail again."""
    remedy = f"; {failed.remedy}" if failed.remedy else ""
    if failed.kind == "missing":
        why = f" ({failed.reason})" if failed.reason else ""
        what_to_do = failed.remedy or "check the path, or whether the dataset was built here"
        return MissingFile(f"{url}: not found{why}; {what_to_do}")
    if failed.kind == "changed":
        return ChangedFile(url, *failed.reason.split(" before, now "))
    if failed.kind == "denied":
        return AccessDenied(f"{url}: access refused ({failed.reason}){remedy}")
    return SourceError(f"{url}: {failed.reason}{remedy}")


def _gave_up(url: str, failed: RequestFailed, attempts: int, seconds: float) -> SourceError:
    """The error for a request that was retried in vain."""
    remedy = f"check the address and the store, or let it take longer ({_DEADLINE_VARIABLE}, seconds)"
    if failed.unlikely:
        remedy = failed.remedy
    return SourceError(f"{url}: cannot be read ({failed.reason}), tried {attempts} times in {seconds:.0f} s; {remedy}")
