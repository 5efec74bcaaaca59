"""Where the tools' tests find real annotations, and how they write small ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def samples() -> Path:
    """The repository's small real corpus."""
    return ROOT / "samples"


@pytest.fixture
def text_file(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file under the test's folder: text_file("a.csv", "x,y\\n")."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def one_for_all(tmp_path: Path) -> Callable[[Iterable[str]], tuple[Path, Path]]:
    """A media folder of one file, and an id map that gives it to every id: the sets are large, and empty files slow."""

    def make(identifiers: Iterable[str]) -> tuple[Path, Path]:
        (tmp_path / "all").mkdir()
        (tmp_path / "all/one.mp4").touch()
        (tmp_path / "all.json").write_text(json.dumps(dict.fromkeys(identifiers, "one.mp4")))
        return tmp_path / "all", tmp_path / "all.json"

    return make
