"""What is done with a medium: kept, looked at or not, decoded for a check; what does not fit is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shards.base import ConversionError
from tools.building.load import Loaded, Treatment, Unread, load
from tools.media.profiles import VideoProfile
from tools.rows import BadRow, OptionError, Row


def row_of(path: Path) -> Row:
    return Row("line 1", "k", ({"caption": "x"},), {"id": "k"}, path)


def test_without_facts_only_the_bytes_are_kept(tmp_path: Path) -> None:
    (tmp_path / "page.mp4").write_text("<html>")
    loaded = load(row_of(tmp_path / "page.mp4"), "a.csv", Treatment(facts=False))
    assert isinstance(loaded, Loaded) and (loaded.media, loaded.ext, loaded.key_frames) == (b"<html>", "mp4", None)
    assert (loaded.facts.kind, loaded.facts.num_frames) == ("video", 0)
    assert isinstance(load(row_of(tmp_path / "page.mp4"), "a.csv", Treatment()), BadRow)


@pytest.mark.parametrize(("check", "found"), [(None, Loaded), ("some", BadRow), ("all", BadRow)])
def test_a_damaged_video_is_found_by_decoding_alone(
    samples: Path, tmp_path: Path, check: str | None, found: type
) -> None:
    data = bytearray(min((samples / "videos").rglob("*.mp4"), key=lambda path: path.stat().st_size).read_bytes())
    at = data.index(b"mdat")
    data[at + 3000 : len(data) - 40000] = os.urandom(1) * (len(data) - 43000 - at)  # of the frames, not of the header
    (tmp_path / "bad.mp4").write_bytes(data)
    made = load(row_of(tmp_path / "bad.mp4"), "a.csv", Treatment(check=check))
    assert isinstance(made, found), made


def test_what_a_worker_cannot_read_is_bad_only_where_this_machine_cannot_either(tmp_path: Path) -> None:
    unread = load(row_of(tmp_path / "gone.jpg"), "a.csv", Treatment())
    assert isinstance(unread, Unread)
    assert unread.settle().reason.startswith(f"unusable media: a.csv line 1: {tmp_path}/gone.jpg: cannot be read")
    (tmp_path / "gone.jpg").touch()
    with pytest.raises(ConversionError, match=r"this machine can read it, a worker on .* cannot .*shared file system"):
        unread.settle()


def test_choices_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(OptionError, match="--check-media few: give some or all"):
        Treatment(check="few")
    for choices in ({"check": "some"}, {"profile": VideoProfile()}):
        with pytest.raises(OptionError, match="--no-facts: media are not looked at; leave out"):
            Treatment(facts=False, **choices)
    assert Treatment(check="all").provenance() == {"check_media": "all"}
    assert Treatment(facts=False).provenance() == {"facts": False} and Treatment().provenance() == {}
