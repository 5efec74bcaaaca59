"""T2VLP's index: lines by file, and lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.containers.tfrecords.record_index import IndexLine, RecordIndex
from tools.rows import AnnotationError, BadRow


def test_lines_are_given_by_file(tmp_path: Path) -> None:
    path = tmp_path / "x.index"
    path.write_text("1\t/a/x-0\t0\n2\t/a/x-0\t100\n\n3\t/a/x-1\t0\nbad\n\t/a/x-1\t7\n4\t/a/x-2\t1e3\n")
    index = RecordIndex(path)
    found = list(index.by_file())
    assert found[0] == ("/a/x-0", [IndexLine("line 1", "1", "/a/x-0", 0), IndexLine("line 2", "2", "/a/x-0", 100)])
    assert found[1] == ("/a/x-1", [IndexLine("line 4", "3", "/a/x-1", 0)])
    assert all(isinstance(entry, BadRow) for entry in found[2:]) and index.num_lines == 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\n\n", r"x\.index: has no lines; give T2VLP's index"),
        (
            "1 /a/x-0 0\n",
            r"x\.index: has no line that can be read \(.* line 1: expected vid, tab, path, tab, byte; found",
        ),
    ],
)
def test_a_file_that_is_no_index_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "x.index").write_text(text)
    with pytest.raises(AnnotationError, match=found):
        RecordIndex(tmp_path / "x.index")
