"""The samples of a dataset as they go into an FFCV file: a few whole frames, their texts, and why a sample has none.

Frames are those that the CPU decoder gives for a uniform clip: N of them, the middles of N equal parts (all, if there
are fewer), with a short side of at most S pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base import ConfigError, ExclusionError, MediaError
from shards.dataset import TextError
from shards.decode import decode
from shards.loader import DatasetConfig
from shards.media import ClipConfig, ClipPlan, MediaFacts, plan_clip
from shards.order import rng
from shards.read import Fetched, Origin, Reader, SampleError
from shards.select import Selection, open_selection
from tools.rows import BadRow, OptionError

_NAME = "export"
_FETCHED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Failure(BadRow):
    """A sample that is not written."""

    origin: Origin
    stage: str
    """The stage that failed: selection (left out by where or exclude), read, decode or write."""

    @property
    def kind(self) -> str:
        return self.stage

    @property
    def example(self) -> str:
        return "" if self.stage == "selection" else f"{self.origin}: {self.reason}"

    @staticmethod
    def of(origin: Origin, stage: str, reason: str) -> Failure:
        """A failure of the sample at this place."""
        return Failure(f"{origin.shard}:{origin.key}", reason, origin, stage)

    def line(self) -> dict[str, str]:
        """The failure as a line of an exclusion list."""
        origin = self.origin
        where = {"dataset": origin.dataset, "shard": origin.shard, "key": origin.key}
        return {**where, "stage": self.stage, "reason": self.reason}


class _Fetched(NamedTuple):
    shard: int
    row: int
    fetched: Fetched | SampleError | None
    """None: the sample is not selected."""


class Ready(NamedTuple):
    """A sample as it is to be written."""

    origin: Origin
    facts: MediaFacts
    """Facts of the stored frames."""
    frames: NDArray[np.uint8]
    num_records: int
    text: dict[str, Any]


class Samples:
    """The samples of a dataset, in its order."""

    def __init__(
        self,
        url: str,
        num_frames: int,
        short_side: int,
        where: str | None,
        exclude: Sequence[str],
        roots: Sequence[str],
    ) -> None:
        self._reader = Reader(None, url, "sample", partial_bytes=4 << 20, roots=roots)
        self._index = self._reader.index
        self.name = self._reader.name
        self._num_frames, self._short_side = num_frames, short_side
        self._selection = self._select(where, exclude)
        self.number = int(self._index.shards.num_samples.sum())

    def _select(self, where: str | None, exclude: Sequence[str]) -> Selection | None:
        try:
            config = DatasetConfig(
                name=_NAME, path=self._index.source.url, elements="sample", where=where, exclude=tuple(exclude)
            )
            return open_selection(self._index, config.name, config.where, config.exclude, config.elements)
        except (ConfigError, ExclusionError) as error:
            raise OptionError(str(error)) from error

    def settings(self) -> dict[str, Any]:
        """The settings that decide which samples and frames come out."""
        selection = self._selection.digest if self._selection is not None else ""
        return {
            "source": self._reader.fingerprint,
            "members": self._index.dataset.get("members"),
            "selection": selection,
            "num_frames": self._num_frames,
            "short_side": self._short_side,
        }

    def sizes(self) -> Iterator[tuple[int, int]]:
        """(bytes of the frames, bytes of the text in the source) of every selected sample that can be planned."""
        for shard, row, is_kept in self._rows():
            if is_kept:
                rows = self._index.rows(shard)
                with suppress(MediaError):  # reported when it is decoded
                    yield int(np.prod(self._plan(rows.facts(row)).shape)), rows.text_bytes(row)

    def fetched(self) -> Iterator[_Fetched]:
        """All samples in order, read a few at a time."""
        for chunk in _chunks(self._rows(), _FETCHED_AT_ONCE):
            chosen = [(shard, row) for shard, row, is_kept in chunk if is_kept]
            found = iter(self._reader.fetch(*zip(*chosen, strict=True)) if chosen else ())
            for shard, row, is_kept in chunk:
                yield _Fetched(shard, row, next(found) if is_kept else None)

    def prepare(self, item: _Fetched) -> Ready | Failure:
        """Decode a sample, or say why it cannot be used or was left out."""
        shard, row, fetched = item
        if fetched is None:
            return Failure.of(self._reader.origin_of(shard, row), "selection", "left out by where or exclude")
        if isinstance(fetched, SampleError):
            return Failure.of(fetched.origin, "read", fetched.reason)
        origin = self._reader.origin_of(shard, fetched.sample)
        facts = self._index.rows(shard).facts(fetched.sample)
        try:
            texts = self._reader.texts(fetched)
        except TextError as error:
            return Failure.of(origin, "read", str(error))
        if not texts.records:
            return Failure.of(origin, "read", "has no text record")
        try:
            plan = self._plan(facts)
            media = fetched.media
            frames = decode(media, facts.kind, plan)
        except MediaError as error:
            return Failure.of(origin, "decode", str(error))
        times = [facts.start_time + number / facts.fps if facts.fps else facts.start_time for number in plan.frames]
        stored = MediaFacts(
            "stored",
            "",
            plan.resize[1],
            plan.resize[0],
            len(plan.frames),
            facts.fps * len(plan.frames) / facts.num_frames,
            facts.duration,
            times[0],
        )
        text = {
            "dataset": self.name,
            "shard": origin.shard,
            "times": times,
            "records": texts.records,
            "meta": texts.meta,
        }
        return Ready(origin, stored, frames, len(texts.records), text)

    def _rows(self) -> Iterator[tuple[int, int, bool]]:
        """(shard, row, whether it is selected)."""
        for shard, count in enumerate(self._index.shards.num_samples.tolist()):
            kept = np.ones(count, np.bool_)
            if self._selection is not None:
                selected = range(int(self._selection.counts[shard]))
                kept[:] = False
                kept[[self._selection.row(shard, number) for number in selected]] = True
            for row, is_kept in enumerate(kept.tolist()):
                yield shard, row, is_kept

    def _plan(self, facts: MediaFacts) -> ClipPlan:
        """The frames of a medium that are stored: a uniform clip without crop. Raises MediaError."""
        count = max(1, min(self._num_frames, facts.num_frames))
        side = max(1, min(self._short_side, facts.width, facts.height))  # frames are enlarged when they are read
        config = ClipConfig(num_frames=count, size=side, fit="center_crop")
        plan = plan_clip(facts, config, rng(0, self.name, 0, "", "", 0, 0, "export"))  # a uniform plan draws no number
        return replace(plan, crop=(0, 0, *plan.resize))


def _chunks(rows: Iterator[tuple[int, int, bool]], size: int) -> Iterator[list[tuple[int, int, bool]]]:
    while chunk := list(islice(rows, size)):
        yield chunk
