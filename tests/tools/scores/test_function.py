"""Functions of the user: found by name, told with a remedy where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.rows import OptionError
from tools.scores.function import find_function, source_digest

CODE = """
LIMIT = 3
def bright(frames, records, facts):
    return float(frames.mean())
def two(frames, records):
    return 0
class Inner:
    @staticmethod
    def deep(frames, records, facts):
        return 1
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    (tmp_path / "own_scores_a.py").write_text(CODE)
    (tmp_path / "own_scores_broken.py").write_text("import no_such_package_x\n")
    return tmp_path


def test_a_function_of_the_folder_where_the_command_runs_is_found() -> None:
    assert find_function("own_scores_a:bright").__name__ == "bright"
    assert find_function("own_scores_a:Inner.deep")(None, None, None) == 1
    assert len(source_digest(find_function("own_scores_a:bright"))) == 16
    assert source_digest(len) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("own_scores_a:", "given as module:function"),
        (":bright", "given as module:function"),
        ("own_scores_a:brihgt", "own_scores_a has no brihgt; it has bright, two"),
        ("own_scores_a:LIMIT", "is a int, not a function"),
        ("own_scores_a:two", r"takes other parameters \(too many positional arguments\); it is called with frames"),
        ("no_such_module_x:f", "module no_such_module_x cannot be imported .*No module named"),
        ("own_scores_broken:f", "cannot be imported .*no_such_package_x.*check its name and its own imports"),
    ],
)
def test_what_cannot_be_called_is_told(name: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        find_function(name)
