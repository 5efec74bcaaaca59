"""The pages with the pairs to look at: frames of both sides, and what they are; those that are least clear come first.

Promises: each page is one file that loads and runs nothing, with at most 50 pairs, in about 1 MB; the pages name each
other. They show the first so many pairs, however many there are; pairs.parquet has all.
"""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.base import MediaError, printable
from shards.cli import page_template, show_progress
from shards.dataset import TextError
from shards.decode import decode
from shards.media import MediaFacts
from shards.read import Origin, SampleError
from tools.duplicates.look import HASHED, shown_plan
from tools.duplicates.numbering import Numbering
from tools.duplicates.pairs import Pair

PAGE_PAIRS = 50
_HEIGHT, _MAX_WIDTH = 80, 160
"""Pixels of a frame."""
_TEXTS, _TEXT = 2, 200
"""Texts of a sample that are shown, and characters of each."""
_KEPT_CARDS = 256

PAGE = """<title>{{ title }}: page {{ page }} of {{ pages }}</title><style>
p, li, b, span, td { unicode-bidi: isolate; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 76rem; padding: 0 1rem; color: #1c2530;
background: #fff; } h1 { margin: 0 } .small { color: #5b6875; font-size: 13px; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; padding: 0; list-style: none; }
.pair { border: 1px solid #d5dde5; border-left: 5px solid #2a9d5c; border-radius: 4px; padding: .5rem;
margin: .9rem 0; }
.pair.near { border-left-color: #d98a1f; } .sides { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; }
@media (max-width: 640px) { .sides { grid-template-columns: 1fr; } }
.side { min-width: 0; } .strip { display: flex; gap: 2px; } .strip img { display: block; min-width: 0; max-width: 100%;
flex: 0 1 auto; height: auto; object-fit: contain; } .side p, .pair > p { margin: .3rem 0 0; overflow-wrap: anywhere; }
.key { font-weight: 600; } .mark { color: #19713f; } .reason { color: #a3283b; } nav { margin: 1rem 0; }
nav a, nav b { margin-right: .6rem; }
</style></head><body>
<h1>{{ title }}</h1>
<ul class="facts">{% for name, value in facts %}<li><b>{{ name }}</b> {{ value }}</li>{% endfor %}</ul>
{% if rest %}<p class="small">{{ rest }}</p>{% endif %}
{% if pages > 1 %}<nav>Pages: {% for name in names %}{% if loop.index == page %}<b>{{ page }}</b>
{% else %}<a href="{{ name }}">{{ loop.index }}</a>
{% endif %}{% endfor %}</nav>{% endif %}
{% for card in cards %}<div class="pair {{ card.kind }}"><p><b>{{ card.kind }}</b> {{ card.how }}</p>
<div class="sides">{% for side in card.sides %}<div class="side"><div class="strip">{% for image in side.images %}
<img alt="frame of {{ side.key }}" src="data:image/jpeg;base64,{{ image }}">{% endfor %}</div>
<p class="key">{{ side.key }}{% if side.mark %} <span class="mark">{{ side.mark }}</span>{% endif %}</p>
{% for text in side.texts %}<p>{{ text }}</p>{% endfor %}
{% if side.reason %}<p class="reason">{{ side.reason }}</p>{% endif %}
<p class="small">{{ side.dataset }} &middot; {{ side.shard }}{% if side.facts %} &middot; {{ side.facts }}{% endif %}
</p></div>
{% endfor %}</div></div>
{% else %}<p>Nothing was found.</p>{% endfor %}
{% if page < pages %}<nav><a href="{{ names[page] }}">Next page</a></nav>{% endif %}
</body></html>
"""


@dataclass(slots=True)
class Report:
    """What the head of the pages says, and marks of media."""

    title: str
    found: Mapping[str, Any]
    marks: Mapping[int, str] = field(default_factory=dict)
    """By number of the medium: what is to be said about it, such as "kept"."""


def write_report(
    path: Path,
    report: Report,
    pairs: Sequence[Pair],
    origins: Mapping[int, Origin],
    numbering: Numbering,
    shown: int,
) -> int:
    """Write path and its further pages, path with -2, -3 ... before the suffix; returns how many.

    pairs: of which those with the least certainty are shown, at most `shown`. Raises SourceError, OSError.
    """
    chosen = sorted(pairs, key=lambda pair: pair.certainty)[:shown]
    pages = max(1, -(-len(chosen) // PAGE_PAIRS))
    names = [path.name, *(f"{path.stem}-{page}{path.suffix}" for page in range(2, pages + 1))]
    for old in path.parent.glob(f"{path.stem}-*{path.suffix}"):
        old.unlink()
    side = _Sides(numbering, origins, report.marks)
    rest = f"{len(pairs) - len(chosen):,} more pairs are in pairs.parquet only" if len(chosen) < len(pairs) else ""
    template, facts = page_template(PAGE), list(_facts(report.found))
    with show_progress("report", len(chosen), "pairs") as progress:
        for page, name in enumerate(names, 1):
            cards = []
            for pair in chosen[(page - 1) * PAGE_PAIRS : page * PAGE_PAIRS]:
                cards.append({"kind": pair.kind, "how": _how(pair), "sides": [side.of(pair.a), side.of(pair.b)]})
                progress.advance()
            html = template.render(
                title=report.title, facts=facts, rest=rest, page=page, pages=pages, names=names, cards=cards
            )
            aside = path.with_name(f"{name}.part")
            aside.write_text(html, encoding="utf-8")
            os.replace(aside, path.with_name(name))
    return pages


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [(f"samples of {name}", f"{count:,}") for name, count in found["datasets"].items()]
    rows += [(f"pairs, {kind}", f"{count:,}") for kind, count in found["pairs"].items()]
    rows += [("left out", f"{found['excluded']:,}")]
    rows += [(f"not compared, {stage}", f"{count:,}") for stage, count in found["not_looked_at"].items()]
    return [(_text(name), value) for name, value in rows]


def _how(pair: Pair) -> str:
    if pair.likeness is None:
        return {"content": "equal bytes", "id": "the same video by its id"}[pair.kind]
    measures = [f"{name} {value:.2f}" for name, value in pair.likeness._asdict().items() if not math.isnan(value)]
    return f"distance {pair.distance}{', mirrored' if pair.mirrored else ''}; {', '.join(measures)}"


class _Sides:
    """Media as the pages show them."""

    def __init__(self, numbering: Numbering, origins: Mapping[int, Origin], marks: Mapping[int, str]) -> None:
        self._numbering = numbering
        self._origins, self._marks = origins, marks
        self.of = lru_cache(maxsize=_KEPT_CARDS)(self._of)

    def _of(self, number: int) -> dict[str, Any]:
        origin = self._origins[number]
        named = {name: _text(getattr(origin, name)) for name in ("dataset", "shard", "key")}
        card: dict[str, Any] = {**named, "mark": _text(self._marks.get(number, "")), "images": [], "texts": []}
        if number >= self._numbering.total:
            return card  # of an annotation file: an id is all there is
        reader, shard, sample = self._numbering.locate(number)
        facts = reader.index.rows(shard).facts(sample)
        card["facts"] = _describe(facts)
        (fetched,) = reader.fetch([shard], [sample])
        if isinstance(fetched, SampleError):
            return {**card, "reason": _text(fetched.reason)}
        try:
            card["images"] = [_jpeg(frame) for frame in _frames(fetched.media, facts)]
            card["texts"] = [_words(record) for record in reader.texts(fetched).records[:_TEXTS]]
        except (MediaError, TextError) as error:
            card["reason"] = _text(str(error))
        return card


def _frames(media: Any, facts: MediaFacts) -> NDArray[np.uint8]:
    plan = shown_plan(facts, 64)
    height = min(_HEIGHT, facts.height)
    width = max(1, round(facts.width * height / facts.height))
    size = (height, width) if width <= _MAX_WIDTH else (max(1, round(height * _MAX_WIDTH / width)), _MAX_WIDTH)
    frames = plan.frames if len(plan.frames) == 1 else tuple(plan.frames[number] for number in HASHED)
    return decode(media, facts.kind, replace(plan, frames=frames, resize=size, crop=(0, 0, *size)))


def _jpeg(frame: NDArray[np.uint8]) -> str:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=60)
    return base64.b64encode(out.getvalue()).decode()


def _describe(facts: MediaFacts) -> str:
    length = f", {facts.duration:.1f} s" if facts.duration > 0 else ""
    return f"{_text(facts.codec)} {facts.width}x{facts.height}{length}"


def _words(record: Mapping[str, Any]) -> str:
    return _text("; ".join(str(value) for name, value in record.items() if name in ("caption", "question", "answer")))


def _text(value: str) -> str:
    return printable(" ".join(value.splitlines()), _TEXT)
