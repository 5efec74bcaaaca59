"""In a real browser, opened from a disk: clips play, both searches find, pages turn, at a desk and on a phone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.browser import NEEDS_BROWSER, browse, is_too_wide
from tests.tools.report.test_report import report
from tools.report.script import SCRIPT

PROBE = """
const note = (name, value) => { document.body.dataset[name] = value; };
const after = (time, action) => setTimeout(action, time);
const type = (id, text) => {
  const field = document.getElementById(id);
  field.value = text;
  field.dispatchEvent(new Event('input'));
};
after(400, async () => {
  note('shown', document.querySelectorAll('#grid article').length);
  note('first', document.querySelector('#rows td').textContent);
  const film = document.querySelector('video');
  if (film) {
    await film.play().then(() => note('plays', film.duration), (error) => note('plays', error));
    note('toggled', document.querySelector('.seen button').ariaLabel);
  }
  const next = document.querySelector('#row-pages [aria-label="next page"]');
  if (next) next.click();
  after(300, () => {
    note('second', document.querySelector('#rows td').textContent);
    type('find', 'FIND');
    type('search', 'SEARCH');
    after(900, () => {
      note('found', document.querySelectorAll('#grid article').length);
      note('foundText', document.getElementById('found').textContent);
      note('rowsFound', document.querySelectorAll('#rows tr').length);
      note('listed', document.getElementById('listed').textContent);
    });
  });
});
"""


def used(folder: Path, find: str, search: str) -> dict[str, str]:
    """What a visitor sees who plays the first clip, turns the page of rows, and searches."""
    (folder / "probe.js").write_text(PROBE.replace("FIND", find).replace("SEARCH", search))
    page = (folder / "index.html").read_text()
    own = '<script src="page.js"></script>'
    (folder / "probe.html").write_text(page.replace(own, f'{own}<script src="probe.js"></script>'))
    shown = browse(folder / "probe.html")
    (body,) = re.findall(r"<body [^>]*>", shown)
    return dict(re.findall(r'data-([a-z-]+)="([^"]*)"', body))


def test_the_script_makes_no_markup_of_data() -> None:
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch("):
        assert way not in SCRIPT


@NEEDS_BROWSER
@pytest.mark.long
def test_clips_play_and_searches_find(clips: Path, tmp_path: Path) -> None:
    report(clips, tmp_path / "r")
    seen = used(tmp_path / "r", "rabbit", "5002")
    assert seen["shown"] == "4" and 2 < float(seen["plays"]) <= 5.2 and seen["toggled"].startswith("pause ")
    captions = json.dumps((tmp_path / "r/cards/0.js").read_text()).lower().count("rabbit")
    assert 0 < int(seen["found"]) <= captions and "of the 4 shown samples" in seen["found-text"]
    assert seen["rows-found"] == "4" and seen["listed"] == "4 of 4 samples"


@NEEDS_BROWSER
@pytest.mark.long
def test_pages_turn(many: Path, tmp_path: Path) -> None:
    report(many, tmp_path / "r", samples=30)
    seen = used(tmp_path / "r", "nothing like this", "005")
    assert (seen["shown"], seen["first"], seen["second"]) == ("24", "0000", "0050")
    assert (seen["found"], seen["rows-found"], seen["listed"]) == ("0", "11", "11 of 60 samples")


@NEEDS_BROWSER
@pytest.mark.long
@pytest.mark.parametrize("size", [(1280, 900), (400, 800)])
def test_nothing_is_wider_than_the_window(clips: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    report(clips, tmp_path / "r")
    assert not is_too_wide(tmp_path / "r/index.html", tmp_path, size)
