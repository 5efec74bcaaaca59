"""The work on a chunk of samples: read, decode a few frames, call every scorer.

Promises: all scorers of a run see the same frames, so the bytes of a dataset are read and decoded once. Frames are
those of a uniform clip plan (the middles of equal parts; all of a medium that has fewer), of the whole picture, its
short side scaled to `size` pixels, up or down, aspect kept up to 8:1. What is wrong with a sample is a failure with its
stage; a fault of the store or the dataset stops the run. The work can be pickled: other processes open the dataset and
the scorers anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from shards.base import MediaError
from shards.dataset import Index, TextError
from shards.decode import decode
from shards.media import ClipConfig, ClipPlan, MediaFacts, plan_clip
from shards.order import rng
from shards.read import Fetched, Reader, SampleError
from tools.scores.scorers import Scorer, open_scorer
from tools.scores.values import ScoreError, Value, values_of

CHUNK = 32
"""Samples of one shard that are worked on together; what a killed run may have to do again, for each thread."""
_FETCHED_AT_ONCE = 8


class Chunk(NamedTuple):
    """Some samples of one shard, by their rows."""

    shard: int
    first: int
    stop: int


class Failure(NamedTuple):
    """A sample without values of one scorer, or of any."""

    row: int
    stage: str
    """"read", "decode", or the name of the scorer."""
    reason: str


class Scored(NamedTuple):
    """What the work on a chunk gives."""

    chunk: Chunk
    rows: list[tuple[str, dict[str, Value]]]
    """Key and values of each sample, in order."""
    failures: list[Failure]


@dataclass(frozen=True, slots=True)
class Scoring:
    """The work, as the options of a run say it."""

    url: str
    roots: tuple[str, ...]
    names: tuple[str, ...]
    num_frames: int
    size: int
    checkpoint: Path | None = None
    device: str = "cpu"

    def __call__(self, chunk: Chunk) -> Scored:
        """Score the samples of a chunk. Raises DatasetError, SourceError."""
        reader, scorers = open_scoring(self)
        rows = reader.index.rows(chunk.shard)
        scored = Scored(chunk, [], [])
        for first in range(chunk.first, chunk.stop, _FETCHED_AT_ONCE):
            numbers = range(first, min(first + _FETCHED_AT_ONCE, chunk.stop))
            for row, fetched in zip(numbers, reader.fetch([chunk.shard] * len(numbers), numbers), strict=True):
                values, failures = self._score(reader, scorers, chunk.shard, row, fetched)
                scored.rows.append((rows.keys[row], values))
                scored.failures.extend(failures)
        return scored

    def _score(
        self, reader: Reader, scorers: Sequence[Scorer], shard: int, row: int, fetched: Fetched | SampleError
    ) -> tuple[dict[str, Value], list[Failure]]:
        if isinstance(fetched, SampleError):
            return {}, [Failure(row, "read", fetched.reason)]
        facts = reader.index.rows(shard).facts(row)
        records, no_text = list[dict[str, Any]](), ""
        try:
            records = reader.texts(fetched).records
        except TextError as error:
            no_text = f" (its texts: {error})"  # which most scorers do not need
        try:
            frames = decode(fetched.media, facts.kind, self._plan(reader.name, facts))
            frames.flags.writeable = False  # every scorer sees the same
        except MediaError as error:
            return {}, [Failure(row, "decode", str(error))]
        values: dict[str, Value] = {}
        failures = []
        for scorer in scorers:
            try:
                found = values_of(scorer.score(frames, records, facts), scorer.column)
                twice = sorted(found.keys() & values.keys())
                if twice:
                    raise ScoreError(f"{twice[0]} is also a column of another scorer; give it another name")
                values |= found
            except ScoreError as error:
                failures.append(Failure(row, scorer.name, f"{error}{no_text}"))
            except Exception as error:
                if not scorer.is_foreign:
                    raise
                failures.append(Failure(row, scorer.name, f"{type(error).__name__}: {error}{no_text}"))
        return values, failures

    def _plan(self, name: str, facts: MediaFacts) -> ClipPlan:
        """The frames that are scored. Raises MediaError, DatasetError."""
        count = max(1, min(self.num_frames, facts.num_frames))
        config = ClipConfig(num_frames=count, size=self.size, fit="center_crop")
        plan = plan_clip(facts, config, rng(0, name, 0, "", "", 0, 0, "score"))  # a uniform plan draws no number
        return replace(plan, crop=(0, 0, *plan.resize))


@lru_cache(maxsize=1)
def open_scoring(scoring: Scoring) -> tuple[Reader, tuple[Scorer, ...]]:
    """The dataset and the scorers of a run, once in every process. Raises OptionError, DatasetError, SourceError."""
    reader = Reader(None, scoring.url, "sample", partial_bytes=4 << 20, roots=scoring.roots)
    return reader, tuple(open_scorer(name, scoring.checkpoint, scoring.device) for name in scoring.names)


def chunks_of(index: Index) -> Iterator[Chunk]:
    """All samples of a dataset in the order of its index."""
    for shard, count in enumerate(index.shards.num_samples.tolist()):
        for first in range(0, count, CHUNK):
            yield Chunk(shard, first, min(first + CHUNK, count))
