"""Where the tools' tests find real annotations: samples/ in the repository, and shared/ beside it where it exists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def samples() -> Path:
    """The repository's small real corpus."""
    return ROOT / "samples"


@pytest.fixture
def corpus() -> Path:
    """The larger corpus with annotations in the public sets' true forms."""
    return _beside("corpus")


@pytest.fixture
def published() -> Path:
    """Annotation files as their authors published them."""
    return _beside("annotations")


@pytest.fixture
def text_file(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file under the test's folder: text_file("a.csv", "x,y\\n")."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def _beside(name: str) -> Path:
    path = ROOT.parent / "shared" / name
    if not path.is_dir():
        pytest.skip(f"no {path}: the tests over the larger corpus run only where it lies beside the repository")
    return path
