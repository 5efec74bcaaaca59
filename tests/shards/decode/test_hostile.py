"""Whatever is done to the bytes of a sample gives frames or MediaError: no crash, no hang, no memory blow-up."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.shards.decode.confined import outcomes
from tests.shards.decode.mutants import mutate, originals

MOST_MB = 200
"""Resident memory that no sample may take beyond what was there."""


def check(found: list[dict[str, Any]], first: int, stop: int) -> None:
    before, *found = found
    assert [one["number"] for one in found] == list(range(first, stop))
    ends = Counter()
    for one in found:
        for way in ("linear", "seek", "probe"):
            end = one.get(way, 1)
            assert end == 1 or isinstance(end, str), one
            assert one["peak_mb"] < before["peak_mb"] + MOST_MB, one
            ends[way, end == 1] += 1
    assert ends["linear", True] > 0.2 * len(found) and ends["linear", False] > 0.2 * len(found), ends
    assert ends["seek", False], ends


def test_truncations_and_flipped_bits_give_frames_or_media_error() -> None:
    check(outcomes("--fuzz", "0", "330"), 0, 330)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_thousand_truncations_and_flipped_bits_give_frames_or_media_error() -> None:
    spans = [(first, first + 2500) for first in range(330, 10_330, 2500)]
    with ThreadPoolExecutor(2) as pool:
        all_found = pool.map(lambda span: outcomes("--fuzz", *map(str, span), limit_s=280), spans)
        for span, found in zip(spans, all_found, strict=True):
            check(found, *span)


def test_mutants_are_the_same_every_time_and_differ_from_the_original() -> None:
    data = originals()[0].data
    mutants = [mutate(data, np.random.default_rng(number)) for number in range(40)]
    assert mutants == [mutate(data, np.random.default_rng(number)) for number in range(40)]
    assert len(set(mutants) - {data}) > 35 and any(len(mutant) < len(data) for mutant in mutants)
