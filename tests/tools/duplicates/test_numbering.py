"""Numbers of samples of several datasets."""

from __future__ import annotations

from pathlib import Path

from tests.tools.duplicates.conftest import Frames, video, write
from tools.duplicates.numbering import Numbering
from tools.duplicates.side_table import Place, open_reader


def test_every_number_has_its_origin(toy: Path, tmp_path: Path, clips: dict[int, Frames]) -> None:
    other = write(tmp_path / "other", {"x": video(clips[1]), "y": video(clips[1])})
    numbering = Numbering([open_reader(Place("a", str(toy))), open_reader(Place("b", str(other)))])
    assert (numbering.total, numbering.first.tolist()) == (15, [0, 13, 15])
    found = numbering.origins([14, 0, 12, 3, 13])
    assert {number: str(origin) for number, origin in found.items()} == {
        0: "a/000000.tar:c1",
        3: "a/000001.tar:c4",
        12: "a/000004.tar:broken",
        13: "b/000000.tar:x",
        14: "b/000000.tar:y",
    }
