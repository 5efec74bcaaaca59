"""The clips of samples/ as the words that build them, and as a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.commands.command_line import ROOT, invoke


@pytest.fixture
def clips(samples: Path) -> list[str]:
    return ["webvid", "--annotations", str(samples / "webvid/results_2M_train.csv"), "--media", str(samples)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first three clips of the samples as a dataset."""
    out = tmp_path_factory.mktemp("built") / "webvid"
    arguments = ["--annotations", ROOT / "samples/webvid/results_2M_train.csv", "--media", ROOT / "samples"]
    assert invoke("build", "webvid", *arguments, "--limit", "3", "--out", out).exit_code == 0
    return out
