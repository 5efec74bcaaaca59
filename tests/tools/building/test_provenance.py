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


def test_the_folder_of_a_container_is_told_by_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "shard.00000.mds").write_bytes(b"abc")
    (tmp_path / "train").mkdir()

    def told() -> object:
        return provenance_of("mds", {"data": tmp_path}, 1000, None, None)["data_files"]

    before = told()
    assert told() == before
    (tmp_path / "shard.00000.mds").write_bytes(b"abcd")
    longer = told()
    (tmp_path / "shard.00001.mds").touch()
    assert len({before, longer, told()}) == 3
