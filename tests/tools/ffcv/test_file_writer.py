"""What is written of samples can be read back, or is refused before it is decoded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import ConversionError
from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import MediaFacts
from tools.ffcv.export import export

pytestmark = pytest.mark.usefixtures("ffcv")


def test_frames_that_no_disk_or_page_holds_are_refused_before_decoding(tmp_path: Path) -> None:
    facts = MediaFacts("video", "h264", 4000, 4000, 4000, 25.0, 160.0)
    with DatasetWriter(tmp_path / "toy", "toy") as writer:
        writer.write("v", b"no video", "mp4", [{"caption": "x"}], {}, facts)
    with pytest.raises(ConversionError, match=r"the frames take 192\.0 GB, the disk has .* GB left; use --mode jpg"):
        export(str(tmp_path / "toy"), str(tmp_path / "x.beton"), num_frames=4000, short_side=4000)
    with pytest.raises(ConversionError, match=r"one sample takes up to 2400.* bytes, and a page has at most 10737"):
        export(str(tmp_path / "toy"), str(tmp_path / "x.beton"), num_frames=4000, short_side=4000, mode="jpg")


def test_without_ffcv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, shards: Path, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ffcv"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ffcv", None)
    with pytest.raises(
        ConversionError, match=r"apt-get install libopencv-dev libturbojpeg0-dev pkg-config g\+\+, then"
    ):
        export(str(shards), str(tmp_path / "x.beton"), num_frames=6, short_side=96)


def test_a_disk_that_writes_something_else_is_found_out(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ffcv.writer import DatasetWriter as Theirs

    finalize = Theirs.finalize

    def change_a_byte(self: Any, allocations: Any) -> None:
        finalize(self, allocations)
        with open(self.fname, "r+b") as file:
            file.seek(allocations[-1][1])
            file.write(b"\xaa\x55\xaa\x55")

    monkeypatch.setattr(Theirs, "finalize", change_a_byte)
    with pytest.raises(ConversionError, match=r"what was written of v\d cannot be read back: stored frame 0 is"):
        export(str(shards), str(tmp_path / "x.beton"), num_frames=1, short_side=96)
    assert not list(tmp_path.iterdir())
