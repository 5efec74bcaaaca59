"""`shards` offers its public names lazily: each exists, and a wrong one is refused by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

import shards


def test_every_public_name_exists_and_is_listed() -> None:
    assert {"Loader", "LoaderConfig", "DatasetWriter", "MediaError"} <= set(shards.__all__) == set(dir(shards))
    for name in shards.__all__:
        assert getattr(shards, name).__name__ == name


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(AttributeError, match="No shards attribute Dataset"):
        _ = shards.Dataset


def test_a_light_name_loads_nothing_heavy() -> None:
    script = (
        "import sys; from shards import LoaderConfig, Origin, TooManyFailures; from shards.order.order import Order; "
        "found = {'torch', 'av', 'PIL', 'pyarrow', 'webdataset', 's3fs'} & set(sys.modules); "
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
