"""Make the report of a dataset: `python -m tools report DATASET --out FOLDER` as a function.

Promises: one page with files beside it that works from a disk, without a server and without a network. The index is
read once, row group by row group; of the media only the drawn samples are read, of the texts a larger draw. What is
drawn is a function of (seed, dataset name, number of samples). A folder that holds anything but an earlier report is
refused; the page itself is written last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shards.base import PrintableError, UsageError, printable
from shards.cli import SCRIPTED_POLICY, Dataset, Progress, human_bytes, human_seconds, page_template
from shards.dataset import Index, TextError, read_texts
from shards.read import Reader
from tools.report.cards import cards
from tools.report.charts import bars, histogram
from tools.report.clips import SECONDS
from tools.report.columns import IndexFigures, scan
from tools.report.page import PAGE
from tools.report.row_list import PER_FILE, RowList, write_call
from tools.report.script import SCRIPT
from tools.trust.croissant import CROISSANT_FILE, croissant
from tools.trust.draw import draw, single
from tools.trust.quarantine import by_reason
from tools.trust.texts import HINTS, TextFigures

_CARDS_PER_FILE = 24
_PARTIAL_BYTES = 1 << 22
"""Of larger remote videos only the bytes of the frames that are shown are fetched, where the index tells where."""
_OWN = {"index.html", "page.js", CROISSANT_FILE, "cards", "rows", "media"}
"""What a report consists of; an earlier one is replaced."""
_TEXTS_AT_ONCE = 256


@dataclass(slots=True)
class _ReportSummary:
    """What a report holds."""

    dataset: str
    url: str
    page: str
    num_samples: int
    num_shown: int
    num_listed: int
    num_texts_read: int
    """Samples whose texts were read."""
    bad: list[str]
    """"SHARD:KEY: REASON" of the drawn samples that cannot be shown."""
    num_files: int
    bytes: int


def report_dataset(
    dataset: Dataset,
    out: Path,
    *,
    samples: int = 48,
    texts: int = 10_000,
    rows: int = 1_000_000,
    seed: int = 0,
    jobs: int = 2,
    progress: Progress,
) -> _ReportSummary:
    """Write the report of a dataset to a folder. samples: drawn for the sheet; texts: samples whose texts are counted;
    rows: samples in the list. Raises UsageError for a folder that is not free, DatasetError, SourceError."""
    _clear(out)
    reader = Reader(dataset.name, dataset.address, "sample", partial_bytes=_PARTIAL_BYTES, roots=dataset.roots)
    index = reader.index
    listed = RowList(out / "rows", index.shards.names, rows)
    figures = scan(index, listed.add)
    listed.finish()
    text_figures = _count_texts(index, draw(index, texts, seed, "report texts"))
    shown, bad = _write_cards(reader, out, samples, seed, jobs, progress)
    (out / "page.js").write_text(SCRIPT, encoding="utf-8")
    (out / CROISSANT_FILE).write_text(json.dumps(croissant(index), indent=2), encoding="utf-8")
    values = _values(dataset, figures, text_figures, seed)
    values |= {"num_cards": shown, "num_bad": len(bad), "num_rows": listed.num_rows}
    page = page_template(PAGE, SCRIPTED_POLICY).render(**values)
    (out / "index.html").write_text(page, encoding="utf-8")
    files = [path for path in out.rglob("*") if path.is_file()]
    return _ReportSummary(
        dataset=dataset.name,
        url=dataset.url,
        page=str(out / "index.html"),
        num_samples=figures.num_samples,
        num_shown=shown,
        num_listed=listed.num_rows,
        num_texts_read=text_figures.num_samples,
        bad=bad,
        num_files=len(files),
        bytes=sum(path.stat().st_size for path in files),
    )


def _clear(out: Path) -> None:
    """An empty folder, without an earlier report. Raises UsageError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in out.iterdir()}
        if strange := sorted(found - _OWN):
            raise UsageError(f"{out}: holds {printable(strange[0])!r}, which is of no report; give a folder of its own")
        for name in found:
            path = out / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name in ("cards", "rows", "media"):
            (out / name).mkdir()
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror})") from error


def _write_cards(
    reader: Reader, out: Path, samples: int, seed: int, jobs: int, progress: Progress
) -> tuple[int, list[str]]:
    """(number of cards, what is wrong with those that cannot be shown)."""
    places = list(single(draw(reader.index, samples, seed, "report")))
    part: list[dict[str, Any]] = []
    bad: list[str] = []
    number = 0
    for number, (card, seen) in enumerate(cards(reader, places, jobs, progress.advance), 1):
        for name, data, ext in (("film", seen.film, "mp4"), ("picture", seen.picture, "jpg")):
            if data:
                card[name] = f"media/{number}.{ext}"  # no name from the data
                (out / card[name]).write_bytes(data)
        if card["reason"]:
            bad.append(f"{card['shard']}:{card['key']}: {card['reason']}")
        part.append(card)
        if len(part) == _CARDS_PER_FILE or number == len(places):
            file = (number - 1) // _CARDS_PER_FILE
            write_call(out / "cards" / f"{file}.js", "cards", file, part)
            part = []
    return number, bad


def _count_texts(index: Index, drawn: list[tuple[int, list[int]]]) -> TextFigures:
    figures = TextFigures()
    for shard, numbers in drawn:
        rows, name = index.rows(shard), index.shards.names[shard]
        for start in range(0, len(numbers), _TEXTS_AT_ONCE):
            some = numbers[start : start + _TEXTS_AT_ONCE]
            try:
                found = read_texts(index.shard_source, name, [rows.members(row) for row in some], index.rules)
            except (PrintableError, OSError) as error:  # a shard that is not there: the cards say so too
                for row in some:
                    figures.refuse(rows.keys[row], str(error))
                continue
            for row, texts in zip(some, found, strict=True):
                if isinstance(texts, TextError):
                    figures.refuse(rows.keys[row], str(texts))
                else:
                    figures.add(rows.keys[row], texts.records)
    return figures


def _values(dataset: Dataset, figures: IndexFigures, texts: TextFigures, seed: int) -> dict[str, Any]:
    """The variables of the page."""
    index = dataset.index
    about, provenance = index.dataset, index.dataset.get("provenance")
    num_quarantined = int(about.get("num_quarantined") or 0)
    found = texts.to_dict()
    seconds = figures.duration.total
    numbers = [
        ("samples", f"{figures.num_samples:,}"),
        ("texts", f"{about['num_elements']:,}" if about["num_elements"] >= 0 else "unknown"),
        *([("film", human_seconds(seconds))] if seconds else []),
        ("bytes", human_bytes(int(index.shards.bytes.sum()))),
        ("shards", f"{len(index.shards):,}"),
        ("quarantined", f"{num_quarantined:,}"),
    ]
    notes = [] if dataset.verified else ["The index has no checksums (made with --headers)."]
    if figures.without_facts:
        notes.append(f"{figures.without_facts:,} samples have no media facts (indexed without --media).")
    total = figures.num_samples + num_quarantined
    whole = texts.num_samples == figures.num_samples
    drawn = "all" if whole else f"{texts.num_samples:,} of {figures.num_samples:,} samples, drawn with seed {seed}"
    licence = about.get("licence") or (provenance.get("licence") if isinstance(provenance, Mapping) else None)
    return {
        "name": dataset.name,
        "url": dataset.url,
        "figures": numbers,
        "notes": notes,
        "how": f"Drawn with seed {seed}.",
        "seconds": f"{SECONDS:g}",
        "cards_per_file": _CARDS_PER_FILE,
        "rows_per_file": PER_FILE,
        "num_samples": figures.num_samples,
        "media": _media_charts(figures),
        "texts": _text_charts(texts),
        "how_texts": f"Figures of the texts of {drawn}" + (" samples." if whole else "."),
        "text_titles": ("field", "texts", "different", "most frequent", "share", *HINTS),
        "text_rows": [_text_row(name, field) for name, field in found["fields"].items()],
        "hints": found["examples"],
        "quarantine": by_reason(index),
        "num_quarantined": f"{num_quarantined:,} of {total:,}",
        "quarantined_share": f"{100 * num_quarantined / max(total, 1):.2g} %",
        "licence": str(licence or "dataset.json states no licence: see the page of those who published the dataset."),
        "origin": list(_origin(about)),
    }


def _media_charts(figures: IndexFigures) -> list[Any]:
    return [
        histogram("Duration", figures.duration, lambda value: f"{value:.3g}", "s"),
        histogram("Bytes of a sample", figures.bytes, human_bytes),
        bars("Media", figures.media),
        bars("Width x height", figures.resolution),
        bars("Frames a second", figures.fps),
    ]


def _text_charts(texts: TextFigures) -> list[Any]:
    lengths = [
        histogram(f"Words of a {name}", field.settled().words, lambda value: f"{value:,.0f}")
        for name, field in texts.fields.items()
        if name != "answer"
    ]
    answers = texts.fields.get("answer")
    return [
        *lengths,
        histogram("Texts of a sample", texts.records_per_sample, lambda value: f"{value:,.0f}"),
        bars("Types", texts.types),
        bars("Answers", answers.commonest) if answers else None,
    ]


def _text_row(name: str, field: Mapping[str, Any]) -> list[str]:
    most = field["most_frequent"]
    hints = [f"{field[hint.replace(' ', '_')]:,}" for hint in HINTS]
    counts = (f"{field['count']:,}", f"{field['different']:,}")
    return [name, *counts, most["text"][:80], f"{100 * most['share']:.2g} %", *hints]


def _origin(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What dataset.json says of where the dataset comes from, as lines."""
    yield "format version", str(about["format_version"])
    yield "fingerprint", str(about["fingerprint"])
    provenance = about.get("provenance")
    for path, value in _leaves(provenance if isinstance(provenance, Mapping) else {}):
        if value is not None:
            yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        path = f"{above}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}, ")
        else:
            yield path, value
