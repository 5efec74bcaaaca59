"""In a real browser, opened from a disk: clips play, both searches find, pages turn, at a desk and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import NEEDS_BROWSER, evaluate, is_too_wide
from tests.tools.report.test_report import report
from tools.report.script import SCRIPT

USE = """(async () => {
  const until = async (holds) => {
    while (!holds()) await new Promise((next) => setTimeout(next, 20));
  };
  const all = (selector) => document.querySelectorAll(selector);
  const text = (selector) => document.querySelector(selector)?.textContent;
  const type = (id, value) => {
    const field = document.getElementById(id);
    field.value = value;
    field.dispatchEvent(new Event('input'));
  };
  const seen = {};
  await until(() => all('#grid article').length && all('#rows tr').length);
  Object.assign(seen, { shown: all('#grid article').length, first: text('#rows td') });
  const film = document.querySelector('video');
  if (film) {
    document.querySelector('.seen button').click();
    await until(() => film.currentTime > 0.2);
    Object.assign(seen, { seconds: film.duration, button: document.querySelector('.seen button').ariaLabel });
  }
  const next = document.querySelector('#row-pages [aria-label="next page"]');
  if (next) {
    next.click();
    await until(() => text('#rows td') !== seen.first);
    seen.second = text('#rows td');
  }
  type('find', 'FIND');
  type('search', 'SEARCH');
  await until(() => text('#found') && text('#listed'));
  return Object.assign(seen, { hits: all('#grid article').length, found: text('#found'),
    rows: all('#rows tr').length, listed: text('#listed') });
})()"""
"""What a visitor does who plays the first clip, turns the page of rows, and searches."""


@pytest.fixture(scope="module")
def reported(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of four clips."""
    out = tmp_path_factory.mktemp("reported") / "r"
    report(clips, out)
    return out


def used(folder: Path, find: str, search: str) -> dict[str, Any]:
    seen = evaluate(folder / "index.html", USE.replace("FIND", find).replace("SEARCH", search))
    assert isinstance(seen, dict)
    return seen


def test_the_script_makes_no_markup_of_data() -> None:
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch("):
        assert way not in SCRIPT


@NEEDS_BROWSER
@pytest.mark.long
def test_clips_play_and_searches_find(reported: Path) -> None:
    seen = used(reported, "rabbit", "5002")
    assert seen["shown"] == 4 and 2 < seen["seconds"] <= 5.2 and seen["button"].startswith("pause ")
    assert 0 < seen["hits"] < 4 and seen["found"] == f"{seen['hits']} of the 4 shown samples"
    assert seen["rows"] == 4 and seen["listed"] == "4 of 4 samples"


@NEEDS_BROWSER
@pytest.mark.long
def test_pages_turn(many: Path, tmp_path: Path) -> None:
    report(many, tmp_path / "r", samples=30)
    seen = used(tmp_path / "r", "nothing like this", "005")
    assert (seen["shown"], seen["first"], seen["second"]) == (24, "0000", "0050")
    assert (seen["hits"], seen["rows"], seen["listed"]) == (0, 11, "11 of 60 samples")


@NEEDS_BROWSER
@pytest.mark.long
@pytest.mark.parametrize("size", [(1280, 900), (400, 800)])
def test_nothing_is_wider_than_the_window(reported: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    assert not is_too_wide(reported / "index.html", tmp_path, size)
