"""The list of samples holds every sample once, in files of a bounded size that are ASCII scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shards.cli import open_dataset
from tools.report import row_list
from tools.report.columns import scan
from tools.report.row_list import RowList, write_call


def parts(folder: Path, name: str) -> list[Any]:
    """The contents of the files of a list."""
    found = []
    for number in range(len(list(folder.iterdir()))):
        text = (folder / f"{number}.js").read_text("ascii")
        assert text.startswith(f"{name}({number},") and text.endswith(")\n")
        found.append(json.loads(text[len(f"{name}({number},") : -2]))
    return found


def test_every_sample_is_listed_once(many: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(row_list, "PER_FILE", 25)
    index = open_dataset(str(many)).index
    listed = RowList(tmp_path, index.shards.names, 1000)
    scan(index, listed.add)
    listed.finish()
    found = parts(tmp_path, "rows")
    assert [len(part["k"]) for part in found] == [25, 25, 10] and listed.num_rows == 60
    assert [key for part in found for key in part["k"]] == [f"{number:04d}" for number in range(60)]
    shards = [part["s"][0][at] for part in found for at in part["s"][1]]
    assert shards == [f"{number // 7:06d}.tar" for number in range(60)]
    assert found[0]["m"][0] == ["image png"] and found[0]["r"][0] == ["4x4"] and found[0]["n"][:3] == [2, 1, 3]


def test_the_list_ends_at_its_limit(many: Path, tmp_path: Path) -> None:
    index = open_dataset(str(many)).index
    listed = RowList(tmp_path, index.shards.names, 13)
    scan(index, listed.add)
    listed.finish()
    assert listed.num_rows == 13 and len(parts(tmp_path, "rows")[0]["k"]) == 13


def test_a_script_holds_nothing_but_ascii(tmp_path: Path) -> None:
    hostile = {"k": ["</script><script>x</script>", "\u2028\u202e\x1b"]}
    write_call(tmp_path / "0.js", "rows", 0, hostile)
    assert parts(tmp_path, "rows") == [hostile]
