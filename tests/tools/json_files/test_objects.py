"""An object of any size is read entry by entry, in flat memory; what is wrong with it is named with its place."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.json_files import objects
from tools.json_files.objects import object_entries
from tools.rows import AnnotationError

Write = Callable[[str, str | bytes], Path]
_INNER = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), _INNER), st.integers(1, 9), st.booleans(), st.sampled_from([None, 2]))
def test_entries_are_those_of_json(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any], block: int, is_ascii: bool, indent: int | None
) -> None:
    """Whatever the blocks of the file cut in two: a letter, a number, an escape."""
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value, ensure_ascii=is_ascii, indent=indent), errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "BLOCK_BYTES", block)
        read = list(object_entries(path))
    assert read == list(json.loads(path.read_text(errors="surrogateescape")).items())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "character 1: expected an object, {, found the end of the file"),
        ("[1]", "character 1: expected an object, {, found '[1]'"),
        ("{1: 2}", "character 2: expected a key in quotes, found '1: 2}'"),
        ('{"a" 1}', "character 6: expected : behind the key 'a', found '1}'"),
        ('{"a": 1 "b": 2}', "character 9: expected , or } behind the entry 'a', found"),
        ('{"a": [1, 2', "character 7: not JSON ("),
        ('{"a": {"b": 1}', "behind the entry 'a', found the end of the file"),
        ('{"a": 1} x', "character 10: expected the end of the file, found 'x'"),
        ('{"a": 1, }', "character 10: expected a key in quotes, found '}'"),
        ('{"a": 0.x}', "character 8: expected , or } behind the entry 'a', found '.x}'"),
        ('{"a": nope}', "character 7: not JSON (Expecting value)"),
    ],
)
@pytest.mark.parametrize("block", [1, 1 << 20])
def test_what_is_wrong_is_named_with_its_place(
    text_file: Write, monkeypatch: pytest.MonkeyPatch, content: str, reason: str, block: int
) -> None:
    monkeypatch.setattr(objects, "BLOCK_BYTES", block)
    with pytest.raises(AnnotationError) as error:
        list(object_entries(text_file("a.json", content)))
    assert reason in str(error.value) and "fetch or convert the file again" in str(error.value)


def test_a_tower_of_brackets_is_refused(text_file: Write) -> None:
    with pytest.raises(AnnotationError, match="brackets within brackets, more than can be read"):
        list(object_entries(text_file("a.json", '{"a": ' + "[" * 100_000)))


def test_an_entry_without_an_end_is_given_up(text_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MAX_ENTRY_CHARS", 1000)
    monkeypatch.setattr(objects, "BLOCK_BYTES", 100)
    with pytest.raises(AnnotationError, match="an entry of more than 1,000 characters"):
        list(object_entries(text_file("a.json", '{"a": "' + "x" * 5000)))


def test_memory_is_flat(tmp_path: Path) -> None:
    path = tmp_path / "caption.json"
    entry = json.dumps({"start": [0.0] * 200, "end": [1.0] * 200, "text": ["some words that are said"] * 200})
    with path.open("w") as file:
        for number in range(3000):
            file.write(f'{"," if number else "{"}"v{number}": {entry}')
        file.write("}")
    assert path.stat().st_size > 20_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in object_entries(path)) == 3000
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 20_000
