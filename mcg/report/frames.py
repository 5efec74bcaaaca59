"""Strips of frames of a few samples, read from their datasets by origin."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from shards.base import PrintableError, logger
from shards.media import ClipConfig, plan_clip

_logger = logger(__name__)
_FRAMES, _SIZE = 6, 96


def strips(datasets: Mapping[str, str], origins: Iterable[str]) -> dict[str, str]:
    """Origin as text -> six frames side by side, PNG in base64. Those that cannot be read are left out, with a
    warning. datasets: name -> folder or URL."""
    wanted: dict[str, set[str]] = {}
    for origin in origins:
        wanted.setdefault(origin.partition("/")[0], set()).add(origin)
    found: dict[str, str] = {}
    for name, places in wanted.items():
        if name not in datasets:
            continue
        try:
            found |= _of_dataset(name, datasets[name], places)
        except (PrintableError, OSError) as error:
            _logger.warning("no frames of %s are shown: %s", name, error)
    return found


def _of_dataset(name: str, url: str, origins: set[str]) -> dict[str, str]:
    import numpy as np

    from shards.decode import open_decoder
    from shards.read import Reader

    config, decode = ClipConfig(num_frames=_FRAMES, size=_SIZE), open_decoder("cpu")
    reader, unused = Reader(name, url, "sample"), np.random.Generator(np.random.Philox(0))
    found: dict[str, str] = {}
    for shard, count in enumerate(reader.counts):
        prefix = str(replace(reader.origin(shard, 0), key="")) if count else ":"
        if not any(origin.startswith(prefix) for origin in origins):
            continue
        for row in range(int(count)):
            origin = str(reader.origin(shard, row))
            if origin not in origins:
                continue
            try:
                sample = reader.read(shard, row, unused)
                clip = decode(sample.media, sample.facts.kind, plan_clip(sample.facts, config, unused))
            except PrintableError as error:
                _logger.warning("no frames of %s are shown: %s", origin, error)
                continue
            found[origin] = _png(np.concatenate(list(clip), axis=1))
    return found


def _png(pixels: Any) -> str:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
