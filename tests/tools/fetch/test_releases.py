"""Releases: every dataset has files or says what to get; mirrors; the checksums of the issue are those of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.fetch.releases import RELEASES, by_hand, files_of
from tools.fetch.stored import STORED


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_has_files_or_says_what_to_get(name: str) -> None:
    able, unable = files_of(name, Path("raw"))
    assert able or unable or by_hand(name, Path("raw"))
    for wanted in able:
        assert wanted.url.startswith("https://") and wanted.path.parent == Path("raw")
    names = [wanted.path.name for wanted in (*able, *unable)]
    assert len(set(names)) == len(names)
    assert not any("OUT" in line for line in by_hand(name, Path("raw")))


def test_stored_files_belong_to_a_release() -> None:
    assert STORED.keys() <= set(RELEASES)


def test_the_zips_of_msrvtt_come_from_a_mirror_and_are_checked() -> None:
    able, unable = files_of("msrvtt", Path("raw"))
    assert [wanted.path.name for wanted in unable] == ["train_val_videos.zip", "test_videos.zip"]
    able, unable = files_of("msrvtt", Path("raw"), "http://mirror/x/")
    assert not unable and able[-1].url == "http://mirror/x/test_videos.zip"
    assert able[-1].digest == "md5:0af68454cec9d586e92805739f3911d0"
    assert able[-2].digest == "md5:51f2394d279cf84f1642defd9a651e6f"
    (tar,) = (wanted for wanted in files_of("msvd", Path("raw"))[0] if wanted.path.suffix == ".tar")
    assert tar.digest == "md5:9bdb20fcf14d59524a6febca9f6a8d89"
