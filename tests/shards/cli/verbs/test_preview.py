"""`preview`: one page that needs nothing, whatever the data says."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from shards.dataset.tars.entries import Member
from shards.dataset.writing.writer import DatasetWriter
from shards.media.clip_plan import ClipPlan
from shards.media.facts import MediaFacts
from shards.media.kinds import KINDS
from tests.browser import NEEDS_BROWSER, attacks, browse, listener
from tests.shards.cli.conftest import HOSTILE_CAPTION, HOSTILE_KEY
from tests.shards.hostile_text import is_safe
from tests.shards.small_dataset import picture, write_dataset

RunJson = Callable[..., tuple[int, dict]]


class Page(HTMLParser):
    """Tags, pictures and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.names: list[str] = []
        self.policy = self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        assert not any(name.startswith("on") for name in values)
        if tag == "img":
            self.sources.append(values["src"] or "")
            self.names.append(values["alt"] or "")
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(built: Path, tmp_path: Path, run: Callable[..., Result]) -> Page:
    result = run("preview", built, "--out", tmp_path / "sheet.html")
    assert result.exit_code == 0, result.output
    assert "8 samples, 0 bad" in result.stdout
    return Page((tmp_path / "sheet.html").read_text())


def test_a_page_holds_pictures_strips_texts_and_facts(page: Page) -> None:
    pictures = [Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))) for source in page.sources]
    assert len(pictures) == 4 + 4 * 4 and {picture.format for picture in pictures} == {"JPEG"}
    assert max(picture.width for picture in pictures) <= 420
    strip = [source for source, name in zip(page.sources, page.names, strict=True) if name.startswith("sintel_alley,")]
    assert len(set(strip)) == 4
    for text in ("sk_coffee, told 1 times", "video mjpeg", "000002.tar", "Drawn with seed 0: 8 of 8 samples"):
        assert text in page.text


def test_a_page_loads_and_runs_nothing(page: Page) -> None:
    harmless = "html head meta title style body h1 p div img ul li span"
    assert set(page.tags) <= set(harmless.split())
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert page.policy.startswith("default-src 'none'")


def test_hostile_text_is_text(page: Page) -> None:
    assert HOSTILE_KEY in page.text and HOSTILE_KEY in page.names
    assert HOSTILE_CAPTION.replace("\x1b", "\\x1b") in page.text


def test_a_draw_depends_on_the_seed_alone(tmp_path: Path, run_json: RunJson) -> None:
    folder = write_dataset(tmp_path / "many", "many", 100)

    def drawn(*options: object) -> list[str]:
        code, found = run_json("preview", folder, "--samples", 10, "--out", tmp_path / "p.html", *options)
        assert code == 0 and len(found["samples"]) == 10
        return [sample["key"] for sample in found["samples"]]

    assert drawn("--seed", 3) == drawn("--seed", 3, "--jobs", 7) == sorted(set(drawn("--seed", 3)))
    assert drawn("--seed", 3) != drawn("--seed", 4)
    assert drawn("--first") == [f"{i:04d}" for i in range(10)]


def test_samples_that_cannot_be_shown_are_cards_with_the_reason(
    dataset: Path,
    tmp_path: Path,
    run: Callable[..., Result],
    run_json: RunJson,
    member_of: Callable[[Path, int], Member],
) -> None:
    member = member_of(dataset / "000000.tar", 0)
    data = bytearray((dataset / "000000.tar").read_bytes())
    data[member.offset + 9] ^= 1
    (dataset / "000000.tar").write_bytes(data)
    (dataset / "000001.tar").unlink()
    result = run("preview", dataset, "--out", tmp_path / "sheet.html")
    assert result.exit_code == 1
    assert "000000.tar:cv_left05: ." in result.stderr and "the first of 4 that cannot be shown" in result.stderr
    page = (tmp_path / "sheet.html").read_text()
    assert len(re.findall(r'class="card bad"', page)) == 4
    assert "is damaged: checksum" in page and "it is not there" in page and "4 could not be shown" in page
    code, found = run_json("preview", dataset, "--out", tmp_path / "sheet.html")
    assert code == 1 and found["num_bad"] == 4 and found["file"] == str(tmp_path / "sheet.html")


def test_an_undecodable_medium_is_a_card_with_its_texts(tmp_path: Path, run: Callable[..., Result]) -> None:
    folder = write_dataset(tmp_path / "broken", "broken", 3, broken=[1])
    result = run("preview", folder, "--out", tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    assert result.exit_code == 1 and "not a picture" in page and "broken-1-0" in page


def test_a_medium_without_a_height_is_a_card_without_pictures(
    tmp_path: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ClipPlan((0,), (1, 8), (0, 0, 1, 8))
    monkeypatch.setitem(KINDS, "image", KINDS["image"]._replace(plan=lambda facts, config, rng: plan))
    with DatasetWriter(tmp_path / "rows", "rows") as writer:
        writer.write("k", b"features", "png", [{"caption": "a walk"}], {}, MediaFacts("image", "rows", 8, 0, 1))
    result = run("preview", tmp_path / "rows", "--out", tmp_path / "sheet.html")
    page = Page((tmp_path / "sheet.html").read_text())
    assert result.exit_code == 0, result.output
    assert "a walk" in page.text and not page.sources


def test_a_remote_dataset_has_a_preview(memory_url: str, tmp_path: Path, run_json: RunJson) -> None:
    code, found = run_json("preview", memory_url, "-n", 2, "--first", "--out", tmp_path / "sheet.html")
    assert code == 0 and found["num_bad"] == 0


def test_the_page_is_named_after_the_dataset(
    built: Path, tmp_path: Path, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("preview", built, "-n", 1).exit_code == 0
    assert (tmp_path / "toy-preview.html").stat().st_size > 1000


def test_a_page_that_cannot_be_written_is_wrong_usage(built: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    result = run("preview", built, "-n", 1, "--out", tmp_path / "no" / "sheet.html")
    assert result.exit_code == 2 and "sheet.html: cannot be written" in result.stderr


def test_an_empty_dataset_is_wrong_usage(tmp_path: Path, run: Callable[..., Result]) -> None:
    DatasetWriter(tmp_path / "empty", "empty").close()
    for verb, code in (("preview", 2), ("bench", 2), ("verify", 0), ("ls", 0), ("stats", 0)):
        assert run(verb, tmp_path / "empty").exit_code == code, verb


@NEEDS_BROWSER
def test_in_a_browser_a_hostile_dataset_runs_nothing_and_asks_nobody(
    tmp_path: Path, run: Callable[..., Result]
) -> None:
    with listener() as (address, asked):
        texts = attacks(address)
        with DatasetWriter(tmp_path / "h", "h") as writer:
            for number, text in enumerate(texts):
                key = "".join(char for char in text if char.isprintable() and char not in "./")[:80] + str(number)
                broken = number % 4 == 3
                medium = text.encode(errors="replace") if broken else picture(number)
                records = [{"caption": text, text[:90]: text}, {"caption": text}]
                writer.write(key, medium, "png", records, {}, MediaFacts("image", "png", 16, 16, 1))
        about = json.loads((tmp_path / "h" / "dataset.json").read_text())
        (tmp_path / "h" / "dataset.json").write_text(json.dumps({**about, "name": texts[0] + texts[-1]}))
        run("preview", tmp_path / "h", "--out", tmp_path / "sheet.html")
        shown = browse(tmp_path / "sheet.html")
        assert asked == []
    page = Page(shown)
    harmless = "html head meta title style body h1 p div img ul li span b"
    assert set(page.tags) <= set(harmless.split())
    assert page.text.count("<script>document.title = 'owned'") >= 3 and "could not be shown" in page.text
    assert all(map(is_safe, (tmp_path / "sheet.html").read_text().split("\n")))
