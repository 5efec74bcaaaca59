"""Files are told by content, folders by place, and a profile with the versions that made its media."""

from __future__ import annotations

from pathlib import Path

from tools.building.provenance import provenance_of
from tools.media.profiles import VideoProfile


def test_everything_that_decides_what_comes_out_is_told(tmp_path: Path) -> None:
    file, media = tmp_path / "a.csv", tmp_path / "media"
    file.write_bytes(b"abc")
    media.mkdir()
    (tmp_path / "link").symlink_to(media)
    options = {"annotations": file, "media": tmp_path / "link", "seed": 3}
    told = provenance_of("shapes", options, 1000, None, None)
    assert told == {
        "tool": "tools build",
        "dataset": "shapes",
        "annotations": {
            "file": "a.csv",
            "bytes": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
        "media": str(media),
        "seed": 3,
        "samples_per_shard": 1000,
        "limit": None,
    }
    made = provenance_of("shapes", {}, 1000, 5, ("small", VideoProfile(gop=4)))["media_profile"]
    assert made.items() >= {"name": "small", "gop": 4, "quality": 23}.items() and made["pyav"]
