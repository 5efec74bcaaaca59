"""Numbers as people read them."""

from __future__ import annotations

import pytest

from shards.cli.units import human_bytes, human_number, human_seconds


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (20_480, "20.5 kB"), (999_999, "1 MB"), (1.074e9, "1.07 GB")],
)
def test_bytes_for_people(number: float, text: str) -> None:
    assert human_bytes(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (12_000, "3 h 20 min"), (446_400, "5 d 04 h")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(0.01234, "0.0123"), (45.62, "45.6"), (1234.5, "1,234"), (0, "0")])
def test_rates_for_people(number: float, text: str) -> None:
    assert human_number(number) == text
