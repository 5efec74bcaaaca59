"""What the benchmarks of the loader put in place of its decoder is taken by the loader as it is now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shards.small_dataset import write_dataset

ROOT = Path(__file__).resolve().parents[1]
READ = """
import sys
sys.path.insert(0, "benchmarks/loaders")
from undecoded import undecoded
from tests.shards.small_dataset import config, encode
from shards import Loader
undecoded()
with Loader(config(("cc", sys.argv[1]), batch_size=4, decode=sys.argv[2]), 0, 1, encode) as loader:
    print(next(loader).frames.any())
"""


@pytest.mark.parametrize("decode", ["auto", "cpu"])
def test_loaders_decode_nothing_after_undecoded(tmp_path: Path, decode: str) -> None:
    data = write_dataset(tmp_path / "cc", "cc", 8)
    command = [sys.executable, "-c", READ, str(data), decode]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
    assert ran.stdout == "False\n"
