"""Samples and addressed generators as the loader gives them to a task."""

from __future__ import annotations

from typing import Any

from shards import MediaFacts, Origin, Sample
from shards.loader.setup import RngFactory
from shards.order.random_numbers import rng

ORIGIN = Origin("shapes", "000003.tar", "clip-7")


def sample(record: dict[str, Any], index: int = 0) -> Sample:
    return Sample(ORIGIN, b"bytes", MediaFacts("video", "h264", 64, 48, 20, 8.0, 2.5), record, index, {})


def draws(seed: int = 0) -> RngFactory:
    return lambda purpose: rng(seed, "shapes", 0, "000003.tar", "clip-7", 0, 0, purpose)
