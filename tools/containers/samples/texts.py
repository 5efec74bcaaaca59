"""The records and the meta of a sample whose json and txt were written elsewhere.

A record keeps what is text: caption, question, answer and what belongs to them. Other fields are about the medium (url,
status, width, exif, ...): they go into the meta where all records agree on them, and stay in the records else.
"""

from __future__ import annotations

from typing import Any

from shards.dataset import MemberRules, parse_texts

_TEXT = ("caption", "question", "answer", "answers", "choices", "answer_index", "type", "start", "end")
_TAKEN = {"id": "id_field", "records": "records_field", "dropped_records": "dropped_records_field"}


def records_and_meta(
    json: bytes | None, txt: bytes | None, rules: MemberRules
) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """(records, meta) of a sample. Raises TextError."""
    texts = parse_texts(json, txt, rules)
    if texts.meta:  # written by us
        return tuple(texts.records), texts.meta
    captions = [record.get("caption") for record in texts.records]
    first = texts.records[0] if texts.records else {}
    shared = {
        name: value
        for name, value in first.items()
        if name not in _TEXT and all(name in record and record[name] == value for record in texts.records)
    }
    records = tuple({n: v for n, v in record.items() if n not in shared} for record in texts.records)
    # The field that the caption was taken from says nothing more.
    return records, {_TAKEN.get(name, name): value for name, value in shared.items() if value not in captions}
