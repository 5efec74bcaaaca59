"""A sample and its origin.

A sample is one medium (a video clip or a picture, as encoded bytes) and the text records that belong to it (captions,
or questions and answers). An element is one sample with one of its records: the unit of order, batch and count
(docs/order.md).
Every sample carries its origin for life, and an error about a sample cannot be built without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shards.base.errors import PrintableError
from shards.base.frozen_slots import frozen_slots
from shards.base.safe_text import printable
from shards.media.facts import MediaFacts

if TYPE_CHECKING:
    from shards.media.medium import Media

_SHOWN_KEY = 256


@frozen_slots
class Origin:
    """The origin of a sample: dataset name, shard file name, key inside the shard."""

    dataset: str
    shard: str
    key: str

    def __str__(self) -> str:
        # Keys come from the data: they must not reach a terminal as control characters, nor fill a log.
        key = self.key if len(self.key) <= _SHOWN_KEY else self.key[:_SHOWN_KEY] + "..."
        return printable(f"{self.dataset}/{self.shard}:{key}")


class SampleError(PrintableError, ValueError):
    """A sample that cannot be used, for a reason that lies in its data (undecodable, malformed, checksum).

    Such a sample is quarantined, and in training replaced by a deterministic substitute. A programming error or an
    unreachable source is never a SampleError.
    """

    def __init__(self, origin: Origin, reason: str) -> None:
        super().__init__(f"{origin}: {reason}")
        self.origin = origin
        self.reason = reason


@frozen_slots
class Sample:
    """One element as it comes from its shard: encoded bytes, facts, and the text record that was drawn or planned."""

    origin: Origin
    media: Media
    """Bytes, or a video of which only the bytes that a clip needs will be fetched; a task hands it on."""
    facts: MediaFacts
    record: dict[str, Any]
    """The text record of this element, e.g. {"caption": ...} or {"question": ..., "answer": ..., "type": ...}."""
    record_index: int
    meta: dict[str, Any]
    """Whatever else the sample's json member says."""
    records: tuple[dict[str, Any], ...] = ()
    """All text records of the sample in their order; a task that looks at a whole sample reads these."""
