"""A hostile dataset has a harmless page: in a real browser nothing of it runs, and nobody is asked for anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shards.cli import SCRIPTED_POLICY
from shards.dataset import DatasetWriter
from shards.media import MediaFacts
from tests.browser import NEEDS_BROWSER, attacks, browse, listener
from tests.shards.cli.verbs.test_preview import Page
from tests.shards.hostile_text import is_safe
from tests.shards.small_dataset import picture
from tests.tools.report.test_report import report

_TAGS = (
    "html head meta title style body h1 h2 h3 p div dl dt dd nav a noscript input span article img video button ul li "
    "b svg rect line table thead tbody tr th td details summary script"
)
HARMLESS = set(_TAGS.split())


def hostile_dataset(folder: Path, texts: list[str]) -> Path:
    with DatasetWriter(folder, "h") as writer:
        for number, text in enumerate(texts):
            key = "".join(char for char in text if char.isprintable() and char not in "./")[:80] + str(number)
            medium = text.encode(errors="replace") if number % 4 == 3 else picture(number)
            records = [{"caption": text, text[:90]: text, "type": text}, {"question": text, "answer": text}]
            writer.write(key, medium, "png", records, {}, MediaFacts("image", "png", 16, 16, 1))
    about = json.loads((folder / "dataset.json").read_text())
    about |= {"name": texts[0] + texts[-1], "licence": texts[1], "provenance": {text[:50]: text for text in texts}}
    about["num_quarantined"] = len(texts)
    (folder / "dataset.json").write_text(json.dumps(about))
    lines = [json.dumps({"record": text, "reason": text}) + "\n" for text in texts]
    (folder / "quarantine.jsonl").write_text("".join(lines))
    return folder


def test_hostile_text_is_printable_text_under_the_policy(tmp_path: Path) -> None:
    report(hostile_dataset(tmp_path / "h", attacks("http://x")), tmp_path / "r")
    text = (tmp_path / "r/index.html").read_text()
    page = Page(text.replace('<script src="page.js"></script>', ""))
    assert set(page.tags) <= HARMLESS - {"script", "video", "article", "button", "img"}
    assert page.policy == SCRIPTED_POLICY and "unsafe-inline" not in page.policy.split("style-src")[0]
    assert all(map(is_safe, text.split("\n")))
    for file in (tmp_path / "r").rglob("*.js"):
        if file.name != "page.js":
            assert file.read_bytes().isascii() and b"\\u202e" not in file.read_bytes().replace(b"\\\\u202e", b"")


@NEEDS_BROWSER
@pytest.mark.long
def test_in_a_browser_it_runs_nothing_and_asks_nobody(tmp_path: Path) -> None:
    with listener() as (address, asked):
        report(hostile_dataset(tmp_path / "h", attacks(address)), tmp_path / "r")
        shown = browse(tmp_path / "r/index.html")
        assert asked == []
    page = Page(shown)
    assert set(page.tags) <= HARMLESS and page.tags.count("article") > 8
    assert page.text.count("<script>document.title = 'owned'") >= 4
    assert all(source.startswith("media/") for source in page.sources)
