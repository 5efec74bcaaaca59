"""The list of entities: the first field of a line; what is wrong with it is told with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcg.text.entities import EntityError, read_entities


def test_the_first_field_of_a_line_is_the_noun(tmp_path: Path) -> None:
    file = tmp_path / "unigrams.txt"
    file.write_text("man 11502\nwoman\t10090 x\ndog\n\n")
    assert read_entities(file, 3) == ["man", "woman", "dog"]
    assert read_entities(file, 2) == ["man", "woman"]


@pytest.mark.parametrize(
    ("content", "count", "told"),
    [
        ("man\n\ndog\n", 3, "line 2: is empty; remove the line"),
        ("man 3\ndog\nman 2\n", 3, "line 3: 'man' stands in line 1 already"),
        ("man\ndog\n", 3, "has 2 entities, 3 are asked for; set num_entities to at most that"),
        ("", 2, "has 0 entities"),
    ],
)
def test_a_list_that_does_not_do_is_refused_with_the_line(tmp_path: Path, content: str, count: int, told: str) -> None:
    file = tmp_path / "entities.txt"
    file.write_text(content)
    with pytest.raises(EntityError, match=told) as error:
        read_entities(file, count)
    assert str(file) in str(error.value)


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EntityError, match="no such file; name a list of nouns"):
        read_entities(tmp_path / "none.txt", 2)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00man")
    with pytest.raises(EntityError, match="not UTF-8 text"):
        read_entities(tmp_path / "bytes", 2)
