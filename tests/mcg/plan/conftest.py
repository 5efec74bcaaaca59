"""A few captioned clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.small_runs import call


@pytest.fixture(scope="session")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 12 rendered clips."""
    out = tmp_path_factory.mktemp("plan") / "captions"
    words = ["build", "shapes", "--split", "train", "--text", "captions", "--num-clips", "12", "--seed", "0", "--out"]
    done = call(["python", "-m", "tools", *words, str(out)])
    assert done.returncode == 0, done.stderr
    return out
