"""A medium that decodes passes, some or all of its frames; one that is cut does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base import MediaError
from shards.media import probe_table
from tools.media.check import CHECKS, check_decodes


@pytest.mark.parametrize("which", CHECKS)
def test_whole_media_pass(samples: Path, which: str) -> None:
    small = min((samples / "videos").rglob("*.mp4"), key=lambda path: path.stat().st_size)
    for path in (small, next((samples / "images").glob("*.jpg"))):
        data = path.read_bytes()
        check_decodes(data, probe_table(data, path.name)[0], which)


@pytest.mark.parametrize("which", CHECKS)
def test_a_cut_picture_is_refused(samples: Path, which: str) -> None:
    data = next((samples / "images").glob("*.jpg")).read_bytes()
    facts, _ = probe_table(data, "a.jpg")
    with pytest.raises(MediaError):
        check_decodes(data[: len(data) // 2], facts, which)
