"""Files and descriptions are known by their checksums: any changed bit is found and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from mcg.engine.store.integrity import (
    FileFacts,
    foreign_file,
    from_json,
    is_sealed,
    keep_folder,
    problem_with,
    read_line,
    seal,
    seal_line,
    to_json,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_seal_survives_being_written_in_any_format(facts: dict[str, Any]) -> None:
    facts.pop("checksum", None)
    sealed = seal(facts)
    assert is_sealed(json.loads(json.dumps(sealed, indent=3)))
    assert is_sealed(dict(reversed(list(sealed.items()))))
    assert not is_sealed({**sealed, "more": 1}) and not is_sealed(facts)


@given(st.integers(0, 10**7), st.data())
def test_a_changed_bit_of_a_sealed_line_is_found_or_without_effect(step: int, data: st.DataObject) -> None:
    name = f"step-{step:06d}"
    line = bytearray(seal_line(name).encode())
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert read_line(bytes(line)) in (None, name)


def test_a_line_written_by_hand_is_read() -> None:
    assert read_line(b"step-000100\n") == read_line(b" step-000100") == "step-000100"
    assert read_line(b"step-000100 of mine") is None and read_line(b"") is None


def test_the_first_file_that_is_not_whole_is_named(tmp_path: Path) -> None:
    content = {"a": b"first", "b": b"second"}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    files = {name: FileFacts.of(tmp_path / name) for name in content}
    assert files["a"] == FileFacts(5, xxhash.xxh3_128_hexdigest(b"first"))
    assert from_json(json.loads(json.dumps(to_json(files)))) == files
    assert problem_with(tmp_path, files, files) is None
    (tmp_path / "b").write_bytes(b"secone")
    assert "b: not readable: is not what was saved (XXH3 " in str(problem_with(tmp_path, files, files))
    (tmp_path / "b").write_bytes(b"sec")
    assert "b: not readable: has 3 bytes, and 6 were saved" in str(problem_with(tmp_path, files, files))
    (tmp_path / "b").unlink()
    assert "b: not readable: it is missing" in str(problem_with(tmp_path, files, files))


def test_a_file_that_was_not_saved_is_foreign_among_the_state_alone(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    assert foreign_file(tmp_path, {}) is None
    (tmp_path / "state" / "a.pt").write_text("x")
    assert foreign_file(tmp_path, {}) == tmp_path / "state" / "a.pt"
    assert foreign_file(tmp_path, {"state/a.pt": FileFacts(1, "")}) is None


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/model.safetensors", "state/../../x"])
def test_a_description_names_no_files_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="which is not below the checkpoint"):
        from_json({name: {"bytes": 1, "xxh3": ""}})


def test_a_text_replaces_the_one_before(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "first line\n")
    write_text(tmp_path / "a", "b\n")
    keep_folder(tmp_path)
    assert (tmp_path / "a").read_text() == "b\n"
