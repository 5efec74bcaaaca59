"""A card holds the texts and facts of a sample, or the reason why it cannot be shown."""

from __future__ import annotations

from pathlib import Path

from shards.read import Reader
from tests.shards.small_dataset import write_dataset
from tools.report.cards import cards


def made(folder: Path, places: list[tuple[int, int]]) -> list[dict]:
    counts: list[None] = []
    found = [
        card | {"shown": seen}
        for card, seen in cards(Reader(None, str(folder), "sample"), places, 2, lambda: counts.append(None))
    ]
    assert len(counts) == len(places)
    return found


def test_cards_come_in_order_with_texts_and_facts(clips: Path) -> None:
    first, last = made(clips, [(0, 0), (0, 3)])
    assert first["records"] == [[("", first["records"][0][0][1])]] and "bird" in first["records"][0][0][1]
    assert first["facts"].startswith("video hevc 640x360, 3.8 s") and first["shard"] == "000000.tar"
    assert first["shown"].film and first["shown"].picture and first["reason"] == last["reason"] == ""


def test_broken_and_missing_media_are_cards_with_reasons(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "d", 10, broken=[1])
    (folder / "000001.tar").unlink()
    good, broken, missing = made(folder, [(0, 0), (0, 1), (1, 0)])
    assert good["reason"] == "" and good["shown"].picture and not good["shown"].film
    assert "not a picture" in broken["reason"] and broken["records"] == [[("", "d-1-0")]]
    assert "000001.tar" in missing["reason"] and missing["records"] == []


def test_many_records_are_counted(many: Path) -> None:
    (card,) = made(many, [(0, 2)])
    assert len(card["records"]) == 3 and card["more"] == 0
