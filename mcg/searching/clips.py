"""The clips to search: the media files below a folder, or the samples of a dataset of shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shards.base import MediaError
from shards.dataset import DATASET_FILE
from shards.decode import Frames
from shards.media import MEDIA_EXTENSIONS, ClipConfig, ClipPlan, KeyFrames, MediaFacts, plan_clip, probe_table
from shards.order import rng
from shards.read import Reader, SampleError
from shards.storage import is_remote

Decode = Callable[[bytes, str, ClipPlan], Frames]


class Clip(NamedTuple):
    """A medium by its name: the path below the folder, or the origin of the sample."""

    name: str
    data: bytes
    facts: Callable[[], MediaFacts]
    """Reads its facts. Raises MediaError."""

    def frames(self, config: ClipConfig, decode: Decode) -> Frames:
        """The frames that a model sees, uint8 (T, H, W, 3). Raises MediaError that names the clip."""
        try:
            facts = self.facts()
            plan = plan_clip(facts, config, rng(0, "", 0, "", self.name, 0, 0, "clip"))
            return decode(self.data, facts.kind, plan)
        except MediaError as error:
            raise MediaError(f"{self.name}: {error}") from error


def read_clip(file: Path, name: str) -> Clip:
    """A media file as a clip. Raises MediaError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise MediaError(f"{name}: not readable: {error.strerror or error}") from error
    return Clip(name, data, partial(_probe, data, file.name))


def clips_in(place: str | Path) -> Iterator[Clip | MediaError]:
    """The clips of a place in a fixed order, and an error for each that cannot be read.

    Raises MediaError for a place without clips; DatasetError and SourceError from a dataset.
    """
    if is_remote(str(place)) or (Path(place) / DATASET_FILE).is_file():
        yield from _samples(str(place))
        return
    folder = Path(place)
    if not folder.is_dir():
        raise MediaError(f"{folder}: no such folder; name a folder of videos, or a dataset of shards")
    files = [file for file in sorted(folder.rglob("*")) if file.suffix[1:].lower() in MEDIA_EXTENSIONS]
    if not files:
        raise MediaError(f"{folder}: no videos or pictures below it; known are {', '.join(MEDIA_EXTENSIONS)}")
    for file in files:
        try:
            yield read_clip(file, str(file.relative_to(folder)))
        except MediaError as error:
            yield error


def _samples(url: str) -> Iterator[Clip | MediaError]:
    reader = Reader(None, url, "sample", partial_bytes=None)
    for shard, count in enumerate(reader.counts.tolist()):
        for row in range(count):
            origin = reader.origin(shard, row)
            try:
                sample = reader.read(shard, row, rng(0, origin.dataset, 0, origin.shard, origin.key, 0, 0, "search"))
            except SampleError as error:
                yield MediaError(str(error))
                continue
            assert isinstance(sample.media, bytes), "nothing is read in part"
            yield Clip(str(origin), sample.media, partial(_known, sample.facts))


def _known(facts: MediaFacts) -> MediaFacts:
    return facts


def _probe(data: bytes, name: str) -> MediaFacts:
    facts, table = probe_table(data, name)
    return replace(facts, look_up_key_frames=lambda: KeyFrames.of(table))
