"""The pages with pairs: what is on them, what runs in them, and how wide they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.dataset.writing.writer import DatasetWriter
from shards.media.probe import probe
from shards.read.sample import Origin
from tests.browser import NEEDS_BROWSER, attacks, browse, is_too_wide, listener
from tests.tools.duplicates.conftest import Frames, video
from tools.duplicates.compare import Likeness
from tools.duplicates.numbering import Numbering
from tools.duplicates.pairs import CONTENT, NEAR, Pair
from tools.duplicates.report import PAGE_PAIRS, Report, write_report
from tools.duplicates.side_table import Place, open_reader

HEAD = {"datasets": {"toy": 12}, "pairs": {"near": 2}, "excluded": 1, "not_looked_at": {"decode": 1}}


@pytest.fixture
def numbering(toy: Path) -> Numbering:
    return Numbering([open_reader(Place("toy", str(toy)))])


def near(a: int, b: int, certainty: float = 0.9) -> Pair:
    return Pair(a, b, NEAR, 7, False, Likeness(certainty, 0.95, 1.0, 1.0))


def written(folder: Path, numbering: Numbering, pairs: list[Pair], shown: int = 500) -> int:
    origins = numbering.origins(number for pair in pairs for number in pair[:2] if number < numbering.total)
    origins |= {99: Origin("listed", "test.json", "video7")}
    return write_report(folder / "report.html", Report("T", HEAD, {0: "kept"}), pairs, origins, numbering, shown)


def test_both_sides_are_shown_the_least_clear_pair_first(numbering: Numbering, tmp_path: Path) -> None:
    assert written(tmp_path, numbering, [Pair(1, 10, CONTENT), near(0, 5), near(0, 12, 0.71), near(0, 99)]) == 1
    page = (tmp_path / "report.html").read_text()
    assert page.index("motion 0.71") < page.index("motion 0.90") < page.index("equal bytes")
    assert page.count("data:image/jpeg;base64,") == 3 * 6  # none of the broken one and of the id
    assert "about c1" in page and "not a video" in page and "video7" in page and "kept" in page
    assert "distance 7; motion 0.90, blocks 0.95" in page


def test_pages_are_bounded_and_name_each_other(numbering: Numbering, tmp_path: Path) -> None:
    pairs = [near(0, 5)] * (3 * PAGE_PAIRS)
    assert written(tmp_path, numbering, pairs) == 3
    assert written(tmp_path, numbering, pairs, shown=PAGE_PAIRS + 1) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report-2.html", "report.html"]
    first, second = (tmp_path / "report.html").read_text(), (tmp_path / "report-2.html").read_text()
    assert 'href="report-2.html"' in first and 'href="report.html"' in second
    assert f"{2 * PAGE_PAIRS - 1} more pairs are in pairs.parquet only" in first
    assert first.count('class="pair near"') == PAGE_PAIRS
    assert len(first) < 1_500_000


@pytest.mark.long
@NEEDS_BROWSER
def test_nothing_of_the_data_runs_and_nothing_is_too_wide(tmp_path: Path, clips: dict[int, Frames]) -> None:
    data = video(clips[1])
    with listener() as (address, asked):
        texts = attacks(address)
        with DatasetWriter(tmp_path / "hostile", texts[0]) as writer:
            for number, text in enumerate([*texts, "w" * 300]):
                facts = probe(data, "x.mp4")
                writer.write(f"k{number}", data, "mp4", [{"caption": text}], {}, facts)
        numbering = Numbering([open_reader(Place(None, str(tmp_path / "hostile")))])
        written(tmp_path, numbering, [near(number, number + 1) for number in range(len(texts))])
        seen = browse(tmp_path / "report.html")
        assert "<title>T: page 1 of 1" in seen
        assert not asked
        for width in (1280, 400):
            assert not is_too_wide(tmp_path / "report.html", tmp_path, (width, 1400))
