"""Media that DALI is not given, with the reason that is counted."""

from __future__ import annotations

from shards.base.errors import PrintableError


class Unsuitable(PrintableError):
    """A medium that is left to the CPU decoder: `reason` is one of a few words that are counted, the text says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
