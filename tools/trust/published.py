"""Counts that the authors of a dataset publish, to be shown beside those that are here.

A count is of videos (or pictures) or of texts (captions, questions). Sources: the papers and the annotation files that
docs/datasets.md names. That fewer are here is no fault by itself: links die.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validate": "val", "validation": "val"}
_SPLITS |= {"test": "test", "testing": "test"}
PUBLISHED: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "activitynet_captions": {"train": ("samples", 10_009), "val": ("samples", 4_917)},
    "activitynet_qa": {"train": ("texts", 32_000), "val": ("texts", 18_000), "test": ("texts", 8_000)},
    "cc3m": {"train": ("samples", 3_318_333), "val": ("samples", 15_840)},
    "cc12m": {"train": ("samples", 12_423_374)},
    "didemo": {"train": ("samples", 8_395), "val": ("samples", 1_065), "test": ("samples", 1_004)},
    "lsmdc": {"train": ("samples", 101_079), "val": ("samples", 7_408), "test": ("samples", 1_000)},
    "lsmdc_fib": {"train": ("texts", 296_960), "val": ("texts", 21_689), "test": ("texts", 30_349)},
    "lsmdc_mc": {"train": ("texts", 101_079), "val": ("texts", 7_408), "test": ("texts", 10_053)},
    "msrvtt": {"train": ("samples", 6_513), "val": ("samples", 497), "test": ("samples", 2_990)},
    "msrvtt_mc": {"test": ("texts", 2_990)},
    "msrvtt_qa": {"train": ("texts", 158_581), "val": ("texts", 12_278), "test": ("texts", 72_821)},
    "msvd": {"train": ("samples", 1_200), "val": ("samples", 100), "test": ("samples", 670)},
    "msvd_qa": {"train": ("texts", 30_933), "val": ("texts", 6_415), "test": ("texts", 13_157)},
    "nextqa": {"train": ("texts", 34_132), "val": ("texts", 4_996), "test": ("texts", 8_564)},
    "nextqa_oe": {"train": ("texts", 37_523), "val": ("texts", 5_343), "test": ("texts", 9_178)},
    "youcook2": {"train": ("samples", 1_333), "val": ("samples", 457)},
}
"""Dataset -> split -> what is counted, and how many there are."""

_LISTS = {"MSRVTT_train.7k.csv": 7_010, "MSRVTT_train.9k.csv": 9_000, "MSRVTT_JSFUSION_test.csv": 1_000}
"""Lists of videos that are a split of their own."""


def published(about: Mapping[str, Any], url: str) -> tuple[str, str, int] | None:
    """(split, "samples" or "texts", count) of a dataset as published; None where no count is known.

    about: the content of dataset.json. url: where it lies; its last folder may name the split.
    """
    provenance = about.get("provenance")
    if not isinstance(provenance, Mapping) or provenance.get("limit") is not None:
        return None  # a part of a split
    counts = PUBLISHED.get(str(provenance.get("dataset")), {})
    files = [_file(provenance.get(name)) for name in ("videos", "annotations")]
    for file in filter(None, files):
        if file in _LISTS:
            return file, "samples", _LISTS[file]
    for words in (str(provenance.get("split") or ""), *files, url.rstrip("/").rpartition("/")[2]):
        splits = {_SPLITS[word] for word in re.split(r"[^a-z]+", words.lower()) if word in _SPLITS}
        if len(splits) == 1:
            (split,) = splits
            return (split, *counts[split]) if split in counts else None
    return None


def _file(told: Any) -> str:
    return str(told.get("file", "")) if isinstance(told, Mapping) else ""
