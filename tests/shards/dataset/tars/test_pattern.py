"""Patterns name the tars of one folder; others are refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import PatternError
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.pattern import find_tars


def test_patterns_name_tars_of_one_folder(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tars / "notes.txt").write_text("x")
    names = ["00000.tar", "00001.tar", "00002.tar"]
    for pattern in (tars, f"{tars}/", f"{tars}/*.tar", f"{tars}/0000?.tar", f"{tars}/{{00000..00002}}.tar"):
        assert find_tars(str(pattern)) == (str(tars), names)
    assert find_tars(f"file://{tars}/{{00000,00002}}.tar") == (str(tars), names[::2])
    assert find_tars(f"{tars}/00001.tar") == (str(tars), names[1:2])
    monkeypatch.chdir(tars)
    assert find_tars("*.tar") == find_tars(".") == (str(tars), names)
    assert find_tars("s3://b/x/{0..2}.tar") == ("s3://b/x", ["0.tar", "1.tar", "2.tar"])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{a,b}/0.tar", "names several folders.*index each folder and blend"),
        ("x/*/0.tar", "names several folders"),
        ("x/{0..3.tar", "braces do not close|not found"),
        ("nowhere", "nowhere: not found"),
        ("nowhere/{0..3}.tar", "not found; there is no folder .*nowhere, check the path"),
        ("cc/{7..9}.tar", "not found; names 3 tars, and none of them is in .*cc"),
        ("cc/00001.tar", r"is one tar of a folder with 2 more, .* index /.*cc; this one alone: .* --out FOLDER"),
        ("cc/*.zip", "no tar found"),
    ],
)
def test_patterns_that_name_nothing_of_use_are_refused(
    tars: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, message: str
) -> None:
    monkeypatch.chdir(tars.parent)
    with pytest.raises(PatternError, match=message):
        index_tars(pattern)
