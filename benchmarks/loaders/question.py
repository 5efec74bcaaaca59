"""What the benchmarks of whole loaders ask: batches of parsed records, by each system as its documentation says.

`with_NAME.py VERB JSON` runs in that system's own environment and prints one JSON object as its last line. A system
gives `batches(question)`: an iterable of (media, records) of one pass, shuffled. `media` are the encoded bytes of each
sample, or with `size` the pixels of all, uint8 (batch, size, size, 3); `records` are parsed JSON objects. Only the
standard library and numpy are imported here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Batch = tuple[Any, Sequence[dict[str, Any]]]


@dataclass
class Question:
    """One pass over a dataset; `special` holds settings that a user of the defaults does not make."""

    url: str = ""
    """Folder or URL of the dataset in the system's form."""
    names: list[str] = field(default_factory=list)
    """Shards of a remote dataset, for systems that do not list them."""
    samples: int = 0
    """Samples of the pass."""
    batch: int = 32
    workers: int = 0
    """Worker processes of the peers; of bare Pillow, threads."""
    size: int = 0
    """Side of the pixels; 0: nothing is decoded."""
    cache: str = ""
    """Folder for copies of remote shards."""
    cache_bytes: int = 0
    special: dict[str, Any] = field(default_factory=dict)
    warm: str = ""
    """For the verb first: a dataset whose first batch is taken before."""
    batches: int = 0
    """For the verb memory: batches to deliver, of as many passes as that takes."""


def parse(text: Any) -> dict[str, Any]:
    """The record of a sample."""
    record: dict[str, Any] = json.loads(bytes(text))
    return record


def number_of(record: dict[str, Any]) -> int:
    """The number of a sample, which stands in its caption: "#000001234#..."."""
    caption = record.get("caption") or record["records"][0]["caption"]
    return int(caption.split("#")[1])


def pixels(picture: Any, size: int) -> np.ndarray[Any, Any]:
    """Decode a picture with Pillow and squash it to a square, as `ClipConfig(size=...)` does by default."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))


def stacked(samples: Iterable[tuple[Any, Any]], size: int) -> Batch:
    """A batch of (medium, record); pixels are stacked, bytes listed."""
    media, records = zip(*samples, strict=True)
    return (np.stack(media) if size else list(media)), list(records)
