"""Facts and GOP tables as an index holds them."""

from __future__ import annotations

from shards.media.facts import FACT_NAMES, TIME_MARK, KeyFrame, KeyFrames, MediaFacts


def test_a_table_is_told_by_columns_and_without_its_time_marks() -> None:
    table = KeyFrames.of([KeyFrame(0, 0.5, 48), KeyFrame(7, 0.9, TIME_MARK), KeyFrame(12, 1.5, -1)])
    assert table == KeyFrames([0, 7, 12], [0.5, 0.9, 1.5], [48, TIME_MARK, -1])
    keys = table.without_marks()
    assert keys == KeyFrames([0, 12], [0.5, 1.5], [48, -1]) and keys.without_marks() is keys
    assert KeyFrames.of([KeyFrame(7, 0.9, TIME_MARK)]).without_marks() == KeyFrames.of([]) == KeyFrames([], [], [])


def test_facts_are_the_columns_of_an_index_and_their_table_is_no_part_of_them() -> None:
    table = KeyFrames([0], [0.0], [48])
    facts = MediaFacts("video", "h264", 320, 240, 100, 25.0, 4.0, 1.5, lambda: table)
    assert [getattr(facts, name) for name in FACT_NAMES] == ["video", "h264", 320, 240, 100, 25.0, 4.0, 1.5]
    assert facts.key_frames is table and facts == MediaFacts("video", "h264", 320, 240, 100, 25.0, 4.0, 1.5)
    assert MediaFacts("image", "png", 1, 1, 1).key_frames is None
