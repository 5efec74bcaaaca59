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
        ("man\n 7\ndog\n", 3, "line 2: begins with a space, so its first field is empty; write a noun there"),
        ("man,7\ndog,5\n", 2, "line 1: begins with 'man,7', which is no noun; write the noun, a space, its count"),
        ("man\n\0\0\n", 2, r"line 2: begins with '\\x00\\x00', which is no noun"),
        ("man\n" + "x" * 70_000, 2, "line 2: has 65,536 characters or more, which is no noun"),
    ],
)
def test_a_list_that_does_not_do_is_refused_with_the_line(tmp_path: Path, content: str, count: int, told: str) -> None:
    file = tmp_path / "entities.txt"
    file.write_text(content)
    with pytest.raises(EntityError, match=told) as error:
        read_entities(file, count)
    assert f"objectives.entity_prompting.entities: {file}" in str(error.value)


def test_windows_writes_the_list_in_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("\ufeffman 3\r\nwoman 2\r\n\r\n".encode())
    assert read_entities(tmp_path / "list.txt", 2) == ["man", "woman"]


def test_no_more_is_read_than_the_nouns(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"man\nwoman\n" + b"ok\n" * 10_000 + b"\xff\xfe")
    assert read_entities(tmp_path / "list.txt", 2) == ["man", "woman"]


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EntityError, match=r"no such file; make a list with python -m tools entities, or name one"):
        read_entities(tmp_path / "none.txt", 2)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00man")
    with pytest.raises(EntityError, match="not UTF-8 text"):
        read_entities(tmp_path / "bytes", 2)
    with pytest.raises(EntityError, match="cannot be read: Is a directory; make a list"):
        read_entities(tmp_path, 2)
