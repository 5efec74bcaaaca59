"""The CPU decoder in the place of another one, for the clips that this one is not given or refuses."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from shards.base.printing import logger
from shards.decode.cpu import decode
from shards.decode.decoder import Count, Unsuitable
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media

_logger = logger(__name__)


_WARNED = frozenset(10**power for power in range(10))
"""Numbers of refused clips at which a warning is due."""


class StandIn:
    """Decodes clips on the CPU, counts them by the reason why, and tells the log; in any number of threads."""

    def __init__(self, library: str, count: Count) -> None:
        """library: the name of what decodes the other clips, for the log."""
        self._library, self._count = library, count
        self._told: Counter[str] = Counter()

    def __call__(self, media: Media, kind: str, plan: ClipPlan, unsuitable: Unsuitable) -> NDArray[np.uint8]:
        """Decode a clip, which is `unsuitable` for the library, as shards/decode/cpu.py does, and count it as
        "cpu: REASON". Raises MediaError, SourceError."""
        self._count(f"cpu: {unsuitable.reason}")
        self._told[unsuitable.reason] += 1
        count = self._told[unsuitable.reason]
        # A refusal may be a failure of the library itself (no memory left, a broken device), which must be seen.
        if unsuitable.reason == "refused" and count in _WARNED:
            _logger.warning(
                "%s refused %d clip(s), which the CPU decodes instead; the last: %s", self._library, count, unsuitable
            )
        else:
            level = logging.INFO if count == 1 else logging.DEBUG
            _logger.log(
                level,
                "decoded on the CPU instead of by %s: %s (the first for a reason is told)",
                self._library,
                unsuitable,
            )
        return decode(media, kind, plan)
