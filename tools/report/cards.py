"""The cards of a page: what is seen of a sample, and its texts and facts.

A sample that cannot be read or decoded is a card with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from shards.base import MediaError, PrintableError, SourceError, printable, threads
from shards.cli import describe_facts, human_bytes
from shards.dataset import TextError, read_texts
from shards.media import FACT_NAMES, probe_table
from shards.read import Reader, SampleError
from tools.report.clips import Shown, show

_RECORDS_SHOWN = 6
_FIELDS_SHOWN = 10
_TEXT_SHOWN = 500
_NOTHING = Shown(b"", b"")

Card = dict[str, Any]
"""key, shard, facts, size, reason, records: lists of (field, text), more: further records."""


def cards(
    reader: Reader, places: Sequence[tuple[int, int]], jobs: int, done: Callable[[], None]
) -> Iterator[tuple[Card, Shown]]:
    """A card of each place (shard, row), in order. done: called after each."""
    for made in threads(jobs)(lambda place: _card(reader, *place), places):
        done()
        yield made


def _card(reader: Reader, shard: int, row: int) -> tuple[Card, Shown]:
    rows = reader.index.rows(shard)
    members, facts = rows.members(row), rows.facts(row)
    name = reader.index.shards.names[shard]
    card: Card = {
        "key": _shown(rows.keys[row]),
        "shard": _shown(name),
        "size": human_bytes(sum(member.size for member in members)),
        "records": [],
        "more": 0,
        "reason": "",
    }
    seen = _NOTHING
    try:
        sample = reader.read(shard, row, np.random.default_rng(0))
        facts = sample.facts
        if not facts.width and (medium := rows.medium(row)) is not None and isinstance(sample.media, bytes):
            facts, _ = probe_table(sample.media, f"x.{medium.ext}")
        seen = show(sample.media, facts)
    except SampleError as error:
        card["reason"] = _shown(error.reason)
    except (MediaError, SourceError, ValueError, OSError) as error:
        card["reason"] = _shown(error)
    card["facts"] = _shown(describe_facts({fact: getattr(facts, fact) for fact in FACT_NAMES}))
    try:
        (texts,) = read_texts(reader.index.shard_source, name, [members], reader.rules)
        if isinstance(texts, TextError):
            raise texts
    except (PrintableError, OSError) as error:
        card["reason"] = card["reason"] or _shown(error)
        return card, seen
    card["records"] = [_fields(record) for record in texts.records[:_RECORDS_SHOWN]]
    card["more"] = max(0, len(texts.records) - _RECORDS_SHOWN)
    return card, seen


def _fields(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(field, text) of a record; a lone caption needs no name."""
    named = record.keys() != {"caption"}
    fields = list(record.items())[:_FIELDS_SHOWN]
    return [(_shown(name, 60) if named else "", _shown(value)) for name, value in fields if value is not None]


def _shown(value: object, limit: int = _TEXT_SHOWN) -> str:
    return printable(" ".join(str(value).splitlines()), limit)
