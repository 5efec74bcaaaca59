"""Asking again for what is slow to come: many stores answer most requests in milliseconds and a few in seconds.

Promises: a request that has taken twice as long as 95 of 100 did is sent a second and, as long again later, a third
time; the first answer counts and the others are cancelled. At most one request in twenty is sent again, so a store that
is slow altogether is hardly asked for more. Nothing is sent again before 50 requests have been measured.
Measured (benchmarks/hedging.py): where 2 % of the answers take a second longer, the median batch of 32 takes a quarter
of the time; where none does, 1.5 % more requests are sent.
Gives up: large requests, whose time is a matter of bandwidth; callers leave them out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

_LEAST, _KEPT = 50, 1000
"""Requests that are measured before any is sent again, and the last ones that count."""
_SHARE = 0.05
_MOST = 3
"""Times that a request is sent."""
_T = TypeVar("_T")


class Hedge:
    """The memory of one client; for one event loop."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_KEPT)
        self._num_asked = self._num_again = 0
        self._patience = 0.0

    async def first(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """The first answer to a request."""
        start = time.monotonic()
        self._num_asked += 1
        asked = [asyncio.ensure_future(ask())]
        try:
            while True:
                may = self._patience and len(asked) < _MOST
                done, _ = await asyncio.wait(
                    asked, timeout=self._patience if may else None, return_when=asyncio.FIRST_COMPLETED
                )
                if not done and self._num_again >= _SHARE * self._num_asked:
                    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    answer = done.pop().result()
                    self._learn(time.monotonic() - start)
                    return answer
                self._num_again += 1
                asked.append(asyncio.ensure_future(ask()))
        finally:
            for request in asked:
                request.cancel()
            if len(asked) > 1:
                await asyncio.gather(*asked, return_exceptions=True)

    def _learn(self, seconds: float) -> None:
        self._seconds.append(seconds)
        if self._num_asked % _LEAST == 0 and len(self._seconds) >= _LEAST:
            self._patience = 2 * sorted(self._seconds)[len(self._seconds) * 95 // 100]
