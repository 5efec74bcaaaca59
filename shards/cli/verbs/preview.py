"""`python -m shards preview PATH`: a contact sheet of samples as one HTML page that needs nothing beside it.

Promises: the page loads nothing and runs nothing, whatever the data says: text is escaped and the page's policy forbids
scripts and connections (shards/cli/page.py), pictures are JPEGs made here and held inline. The drawn samples are a
function of (seed, dataset name, number of samples). A sample that cannot be read or decoded is a card with the reason.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from numpy.typing import NDArray

from shards.base.errors import MediaError, UsageError
from shards.base.printing import cell, complain
from shards.base.safe_text import printable
from shards.cli.exit_codes import PROBLEMS, one_line_errors
from shards.cli.options import DEBUG_OPTION, JSON_OPTION, PATH_ARGUMENT, ROOTS_OPTION, num_cores
from shards.cli.output import emit
from shards.cli.page import page_template
from shards.cli.progress import show_progress
from shards.cli.units import human_bytes
from shards.cli.verbs.ls import describe_facts
from shards.cli.verbs.open_dataset import Dataset, no_samples, open_dataset
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.texts import read_texts
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.media.facts import FACT_NAMES, MediaFacts
from shards.media.medium import whole
from shards.media.probe import probe
from shards.order.random_numbers import rng
from shards.read.sample import SampleError

if TYPE_CHECKING:
    from shards.read.reader import Reader

STRIP_FRAMES = 4
"""Frames of a video that are shown."""
_STRIP_HEIGHT, _PICTURE_HEIGHT = 120, 200
_MAX_WIDTH = 420
_RECORDS_SHOWN = 6
_TEXT_SHOWN = 600
_MAX_SAMPLES = 10_000

PAGE = """<title>{{ name }}: preview</title><style>
p, li, b, span { unicode-bidi: isolate; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem; color: #1c2530; }
h1 { margin-bottom: 0 } .small { color: #5b6875; font-size: 13px; overflow-wrap: anywhere; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(26rem, 1fr)); gap: .9rem; margin-top: 1.4rem; }
.card { border: 1px solid #d5dde5; border-left: 5px solid #2a9d5c; border-radius: 4px; padding: .5rem; }
.card.bad { border-left-color: #d1495b; } .card p { margin: .3rem 0 0; overflow-wrap: anywhere; }
.strip { display: grid; grid-template-columns: repeat({{ strip }}, 1fr); gap: 2px; } .strip img { width: 100%; }
img { display: block; max-width: 100%; } .key { font-weight: 600; } .reason { color: #a3283b; }
ul { margin: .3rem 0 0; padding-left: 1.2rem; } li { overflow-wrap: anywhere; } b { font-weight: 600; }
</style></head><body>
<h1>{{ name }}</h1>
<p class="small">{{ url }}</p>
<p>{{ how }}{% if num_bad %}; <span class="reason">{{ num_bad }} could not be shown</span>{% endif %}.</p>
<div class="grid">{% for card in cards %}<div class="card{{ ' bad' if card.reason else '' }}">
{% if card.images|length == 1 %}<img alt="{{ card.key }}" src="data:image/jpeg;base64,{{ card.images[0] }}">
{% elif card.images %}<div class="strip">{% for image in card.images %}
<img alt="{{ card.key }}, frame {{ card.frames[loop.index0] }}" src="data:image/jpeg;base64,{{ image }}">{% endfor %}
</div>{% endif %}
<p class="key">{{ card.key }}</p>
{% if card.reason %}<p class="reason">{{ card.reason }}</p>{% endif %}
{% if card.records %}<ul>{% for record in card.records %}<li>{% for field in record %}
{% if field.name %}<b>{{ field.name }}</b> {% endif %}{{ field.text }}{{ "" if loop.last else "; " }}{% endfor %}</li>
{% endfor %}{% if card.more %}<li>and {{ card.more }} more</li>{% endif %}</ul>{% endif %}
<p class="small">{{ card.facts }} &middot; {{ card.size }} &middot; {{ card.shard }}</p></div>
{% endfor %}</div>
</body></html>
"""


def preview(
    path: str = PATH_ARGUMENT,
    out: Path | None = typer.Option(None, metavar="FILE", help="The page to write.  [default: NAME-preview.html]"),
    samples: int = typer.Option(48, "--samples", "-n", min=1, max=_MAX_SAMPLES, help="Samples to show."),
    seed: int = typer.Option(0, min=0, help="Seed of the draw; the same seed draws the same samples."),
    first: bool = typer.Option(False, "--first", help="The first samples of the dataset instead of a random draw."),
    jobs: int | None = typer.Option(None, min=1, help="Samples decoded at a time.  [default: the CPU cores]"),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Make a contact sheet: one HTML page with pictures, four frames of each video, texts and facts.

    \b
    Examples:
      python -m shards preview data/webvid
      python -m shards preview data/webvid --samples 200 --seed 7 --out sheet.html
      python -m shards preview s3://bucket/webvid --first

    \b
    Exit codes: 0 fine, 1 samples that cannot be shown (their cards say why), 2 wrong usage.
    """
    with one_line_errors(debug):
        dataset = open_dataset(path, "preview", root)
        cards = list(_cards(dataset, *_choose(dataset, samples, seed, first), jobs or num_cores()))
        bad = [card for card in cards if card["reason"]]
        drawn = "the first" if first else f"drawn with seed {seed}:"
        how = f"{drawn} {len(cards):,} of {dataset.index.dataset['num_samples']:,} samples"
        file = out or Path(f"{_file_name(dataset.name)}-preview.html")
        _write(file, dataset, cards, how[0].upper() + how[1:], len(bad))
        shown = [{name: card[name] for name in ("shard", "key", "reason")} for card in cards]
        data = {"dataset": dataset.name, "url": dataset.url, "file": str(file), "num_bad": len(bad), "samples": shown}
        size = human_bytes(file.stat().st_size)
        emit(data, as_json, cell(f"{file}: {len(cards)} samples, {len(bad)} bad, {size}"))
        if bad:
            where = f"{dataset.url}: {bad[0]['shard']}:{bad[0]['key']}"
            more = f" (the first of {len(bad)} that cannot be shown)" if len(bad) > 1 else ""
            complain(f"{where}: {bad[0]['reason']}{more}")
            raise typer.Exit(PROBLEMS)


def _choose(dataset: Dataset, samples: int, seed: int, first: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(shard, row) of the samples to show, in the order of the dataset."""
    counts = dataset.index.shards.num_samples
    total = int(counts.sum())
    if not total:
        raise UsageError(no_samples(dataset, "show"))
    number = np.arange(min(samples, total))
    if not first:
        draw = rng(seed, dataset.name, 0, "", "", 0, 0, "preview")
        number = np.sort(draw.choice(total, len(number), replace=False, shuffle=False))
    ends = np.cumsum(counts)
    shard = np.searchsorted(ends, number, side="right")
    return shard, number - (ends - counts)[shard]


def _cards(dataset: Dataset, shards: NDArray[np.int64], rows: NDArray[np.int64], jobs: int) -> Iterator[dict[str, Any]]:
    from shards.read.reader import Reader

    reader = Reader(dataset.name, dataset.address, "sample", roots=dataset.roots)
    with ThreadPoolExecutor(jobs) as pool, show_progress("preview", len(rows), "samples") as progress:
        for card in pool.map(lambda at: _card(dataset, reader, *at), zip(shards.tolist(), rows.tolist(), strict=True)):
            progress.advance()
            yield card


def _card(dataset: Dataset, reader: Reader, shard: int, row: int) -> dict[str, Any]:
    """The card of one sample."""
    index_rows = reader.index.rows(shard)
    members, facts = index_rows.members(row), index_rows.facts(row)
    card: dict[str, Any] = {
        "shard": reader.index.shards.names[shard],
        "key": index_rows.keys[row],
        "images": [],
        "frames": (),
        "records": [],
        "more": 0,
        "reason": "",
        "size": human_bytes(sum(member.size for member in members)),
    }
    try:
        sample = reader.read(shard, row, np.random.default_rng(0))
        if not facts.width:
            medium = index_rows.medium(row)
            assert medium is not None, sample.origin
            facts = probe(whole(sample.media), f"x.{medium.ext}")
        card["frames"], card["images"] = _pictures(whole(sample.media), facts)
    except SampleError as error:
        card["reason"] = error.reason
    except (MediaError, ValueError, OSError) as error:
        card["reason"] = str(error)
    card["facts"] = describe_facts({name: getattr(facts, name) for name in FACT_NAMES})
    try:
        (texts,) = read_texts(dataset.shards, card["shard"], [members], dataset.index.rules)
        if isinstance(texts, TextError):
            raise texts
    except (TextError, OSError) as error:
        card["reason"] = card["reason"] or str(error)
        return card
    card["records"] = [_fields(record) for record in texts.records[:_RECORDS_SHOWN]]
    card["more"] = max(0, len(texts.records) - _RECORDS_SHOWN)
    return card


def _fields(record: dict[str, Any]) -> list[dict[str, str]]:
    """The fields of a record for the page; a lone caption needs no name."""
    named = record.keys() != {"caption"}
    return [{"name": _text(name) if named else "", "text": _text(value)} for name, value in record.items()]


def _text(value: object) -> str:
    return printable(" ".join(str(value).splitlines()), _TEXT_SHOWN)


def _pictures(media: bytes, facts: MediaFacts) -> tuple[tuple[int, ...], list[str]]:
    """(frame numbers, their JPEGs in base64), none of a kind without a height. Raises MediaError."""
    from shards.decode.backends import open_decoder

    still = facts.kind == "image" or facts.num_frames == 1
    config = ClipConfig(num_frames=1 if still else STRIP_FRAMES, size=64).for_evaluation()
    plan = plan_clip(facts, config, np.random.default_rng(0))
    if not facts.height:
        return (), []  # no picture, but feature arrays, for example: the plans of pictures refuse such facts
    size = _thumbnail(facts, _PICTURE_HEIGHT if still else _STRIP_HEIGHT)
    plan = ClipPlan(plan.frames, resize=size, crop=(0, 0, *size))
    clip = open_decoder("cpu")(media, facts.kind, plan)
    return plan.frames, [_jpeg(frame) for frame in clip]


def _thumbnail(facts: MediaFacts, height: int) -> tuple[int, int]:
    """(height, width) of a thumbnail: the aspect is kept, up to a largest width."""
    width = max(1, round(facts.width * height / facts.height))
    return (height, width) if width <= _MAX_WIDTH else (max(1, round(height * _MAX_WIDTH / width)), _MAX_WIDTH)


def _jpeg(frame: NDArray[np.uint8]) -> str:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=80)
    return base64.b64encode(out.getvalue()).decode()


def _file_name(name: str) -> str:
    """The name of the dataset as a file name; it comes from data, so only harmless characters stay."""
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name[:60]).lstrip(".") or "dataset"
    )


def _write(file: Path, dataset: Dataset, cards: list[dict[str, Any]], how: str, num_bad: int) -> None:
    for card in cards:
        for name in ("key", "shard", "reason", "facts"):
            card[name] = _text(card[name])
    page = page_template(PAGE).render(
        name=_text(dataset.name), url=_text(dataset.url), how=how, num_bad=num_bad, cards=cards, strip=STRIP_FRAMES
    )
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror})") from error
