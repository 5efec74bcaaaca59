"""`shards` offers its public names lazily: each exists, and a wrong one is answered with the list."""

from __future__ import annotations

import subprocess
import sys

import pytest

import shards


def test_every_public_name_exists_and_is_listed() -> None:
    assert shards.__all__ == list(shards._MODULES) == dir(shards)
    for name in shards.__all__:
        assert getattr(shards, name).__name__ == name


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="module 'shards' has no attribute 'Dataset'; it has Batch, CacheConfig"):
        _ = shards.Dataset


def test_a_light_name_loads_nothing_heavy() -> None:
    script = (
        "import sys; from shards import LoaderConfig, Origin, TooManyFailures; from shards.order.order import Order; "
        "found = {'torch', 'av', 'PIL', 'pyarrow', 'webdataset', 's3fs'} & set(sys.modules); "
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
