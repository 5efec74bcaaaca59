"""What users set in the environment: numbers, and the folder of caches."""

from __future__ import annotations

import math
import os
from pathlib import Path

from shards.base.errors import ConfigError


def number_from_environment(name: str, default: float, what: str) -> float:
    """The number in a variable, above 0; the default where it is not set or empty.

    what: the unit, for the error. Raises ConfigError for anything but a plain number.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ConfigError(
            f"environment variable {name}={text[:40]!r}: expected a number of {what} above 0, e.g. {name}={default:g}"
        )
    return number


def user_cache(name: str) -> Path:
    """The folder of a cache of ours of this user: $XDG_CACHE_HOME/mcg-streams/NAME, or ~/.cache/mcg-streams/NAME."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "mcg-streams" / name
