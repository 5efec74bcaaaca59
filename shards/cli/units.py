"""Numbers with their units, as people read them."""

from __future__ import annotations

import math


def human_bytes(number: float) -> str:
    """Bytes in decimal units, three digits: 512 B, 20.5 kB, 1.07 GB."""
    if number < 999.5:
        return f"{number:.0f} B"
    units = ("kB", "MB", "GB", "TB", "PB")
    power = min(int(math.log10(number * 1.0005) / 3), len(units))
    return f"{number / 1000**power:.3g} {units[power - 1]}"


def human_number(number: float) -> str:
    """A number with three digits that mean something, or its whole part: 0.0123, 45.6, 1,234."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def human_seconds(seconds: float) -> str:
    """A duration in its two largest units: 40 s, 2 min 05 s, 3 h 20 min, 5 d 04 h."""
    whole = round(seconds)
    for size, name, lower, of in ((86_400, "d", "h", 3600), (3600, "h", "min", 60), (60, "min", "s", 1)):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // of:02d} {lower}"
    return f"{whole} s"
