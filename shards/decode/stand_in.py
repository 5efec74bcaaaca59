"""The CPU decoder beside another one, for the clips that this one is not given or refuses."""

from __future__ import annotations

import logging
from collections import Counter

from shards.base.printing import logger
from shards.decode.cpu import decode
from shards.decode.cpu_slots import CpuSlots
from shards.decode.decoder import Count, Decoder, Frames, Unsuitable
from shards.decode.device import Device
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media

_logger = logger(__name__)


_WARNED = frozenset(10**power for power in range(10))
"""Numbers of refused clips at which a warning is due."""


class StandIn:
    """Has a library decode what it can and the CPU the rest, counts the clips by the way each took, and tells the log
    why; in any number of threads."""

    def __init__(self, library: str, device: Device, cpu: CpuSlots, count: Count) -> None:
        """library: its name for the log, in small letters also its way. device: where all frames are to be."""
        self._library, self._device, self._cpu, self._count = library, device, cpu, count
        self._told: Counter[str] = Counter()

    def __call__(self, decode_there: Decoder, media: Media, kind: str, plan: ClipPlan) -> Frames:
        """Decode a clip with the library; one that is Unsuitable as shards/decode/cpu.py does, counted as
        "cpu: REASON". Raises MediaError, SourceError, DeviceFailed."""
        with self._device.work():
            try:
                frames = decode_there(media, kind, plan)
            except Unsuitable as unsuitable:
                self._tell(unsuitable)
                with self._cpu.use():
                    on_cpu = decode(media, kind, plan)
                return self._device.bring(on_cpu)
        self._count(self._library.lower())
        return frames

    def _tell(self, unsuitable: Unsuitable) -> None:
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
