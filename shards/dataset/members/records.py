"""The text records of a sample, of samples of ours and of those made elsewhere alike.

Promises: json is parsed with limits (no endless digits or nesting), so hostile text gives records or a TextError with
the reason, nothing else; no record holds NaN or an infinity. The rules, in order:
- json is an object with a list of objects under "records": those are the records, the other fields are the meta (ours).
- Else the text is looked for (`MemberRules.text_field`): "caption" of the json, the txt (stripped), "captions", "text",
  "conversations". One text is one record: the fields of the json and "caption". A list of texts is as many records, and
  so is one of objects with a caption; turns of a conversation are records with question, answer and caption (the
  answer). The meta is empty: every field belongs to the records.
- Without any of these a json with a "question" is one record; else the sample has no text.
A value that is no text (a number, an object, NaN) in the place of one is a TextError: training would see its spelling.
NaN elsewhere becomes null and is noted. "records" that is no list of objects is damage and never foreign text.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from shards.base.json_text import decode_json
from shards.dataset.members.conversation import conversation
from shards.dataset.members.json_path import look_up, with_text
from shards.dataset.members.odd_numbers import load_odd, without_nan
from shards.dataset.members.plain_text import TextError, is_text, is_whole, plain_text
from shards.dataset.members.rules import MemberRules

_TXT = None
"""The txt, among names of fields of the json."""
_DEFAULT_FIELDS = ("caption", _TXT, "captions", "text", "conversations")
"""Fields searched for a text if the rules name none; the first that has one counts."""
_NUM_NAMED, _SHOWN = 6, 60
_TEXT_NAMES = ("caption", "question")
"""Fields that hold the text of a record of ours."""


class Texts(NamedTuple):
    """The text of a sample."""

    records: list[dict[str, Any]]
    meta: dict[str, Any]
    """Fields of the json about the sample as a whole."""
    notes: tuple[str, ...] = ()
    """Says what was ignored."""


def parse_texts(json_text: bytes | None, txt: bytes | None, rules: MemberRules = MemberRules()) -> Texts:  # noqa: B008
    """Find the records of a sample in its json and other text; None for one that it does not have. Raises TextError."""
    try:
        return _parse(json_text, txt, rules)
    except RecursionError as error:
        raise TextError("json cannot be read (it is nested too deep); correct it") from error


def parse_meta(json_text: bytes | None, rules: MemberRules) -> dict[str, Any]:
    """The meta of a sample whose records come from elsewhere; nothing where the json cannot be read."""
    if json_text is None:
        return {}
    try:
        content, remark = _load(json_text, rules)
    except (TextError, RecursionError):
        return {}
    if content.pop("records", None) is None:
        return {}
    return content if remark is None else without_nan(content)


def _parse(json_text: bytes | None, txt: bytes | None, rules: MemberRules) -> Texts:
    content: dict[str, Any] = {}
    remark: str | None = None
    if json_text is not None:
        content, remark = _load(json_text, rules)
    if content.get("records") is not None:
        records = _own_records(content.pop("records"), remark, rules)
    else:
        records, content = _found_records(content, txt, rules), {}
    if remark is None:
        return Texts(records, content)
    records, content = [without_nan(record) for record in records], without_nan(content)
    return Texts(records, content, ("NaN or infinity in a json field that is not used; it is read as null",))


def _own_records(records: Any, remark: str | None, rules: MemberRules) -> list[dict[str, Any]]:
    """The records of a json of ours, checked. Raises TextError."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise TextError("json should be an object with a list of objects under 'records'")
    if remark is not None and without_nan(records) != records:
        raise TextError(f"json cannot be read ({remark}); write null")
    for number, record in enumerate(records if rules.text_field != () else ()):
        if not (is_text(record.get("caption")) and record.get("question") is None):
            _check_own(record, f"records[{number}]")
    return records


def _check_own(record: dict[str, Any], where: str) -> None:
    texts = {name: record[name] for name in _TEXT_NAMES if record.get(name) is not None}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise TextError(_not_a_text(value, f"{where}: {name}"))
    if not any(_says_something(value, f"{where}: {name}") for name, value in texts.items()):
        raise TextError(f"{where} has no text in caption or question; if none is needed: --text-field ''")


def _found_records(fields: dict[str, Any], txt: bytes | None, rules: MemberRules) -> list[dict[str, Any]]:
    """The records of a json without "records" and a txt. Raises TextError."""
    if rules.text_field == ():
        there = fields.get("caption")
        if (there is None or (isinstance(there, str) and not is_text(there))) and (caption := plain_text(txt)):
            fields["caption"] = caption
        if not fields:
            raise TextError("has no text: neither a field in json nor a caption in txt")
        return [fields]
    named = rules.text_field is not None
    problem: TextError | None = None
    fields_in_order = (*rules.text_field, _TXT) if rules.text_field is not None else _DEFAULT_FIELDS
    for name in (_TXT, *fields_in_order) if rules.txt_first else fields_in_order:
        if name is _TXT:
            if caption := plain_text(txt):
                return [{**fields, "caption": caption}]
            continue
        value = look_up(fields, name)
        try:
            texts = _texts(value, name)
        except TextError as error:
            if named or name == "caption":
                raise
            problem = problem or error  # nobody named this field: it counts only where nothing else does
            continue
        if texts:
            # A list that became records is not repeated in each of them.
            rest = {key: fields[key] for key in fields if key != name} if isinstance(value, list) else fields
            return [{**rest, **text} for text in texts]
    if not named and is_text(fields.get("question")):
        return [fields]
    raise problem or TextError(_why_no_text(fields, txt, rules))


def _texts(value: Any, name: str) -> list[dict[str, Any]]:
    """The fields that a text, or each of a list of texts, adds to a record; none for a blank one. Raises TextError."""
    if value is None:
        return []
    if isinstance(value, str):
        return [{"caption": value}] if _says_something(value, name) else []
    if not isinstance(value, list):
        raise TextError(_not_a_text(value, name, name))
    exchanges = conversation(value)
    if exchanges is not None:
        return exchanges
    return [text for number, item in enumerate(value) for text in _of_item(item, name, number)]


def _of_item(item: Any, name: str, number: int) -> Iterator[dict[str, Any]]:
    if isinstance(item, dict):
        captions = [item[field] for field in ("caption", "text") if is_text(item.get(field))]
        if captions:
            yield {**item, "caption": captions[0]}
            return
    elif item is None or isinstance(item, str):
        if item is not None and _says_something(item, f"{name}[{number}]"):
            yield {"caption": item}
        return
    raise TextError(_not_a_text(item, f"{name}[{number}]", name))


def _says_something(text: str, name: str) -> bool:
    """False for a blank text. Raises TextError for one with halves of characters."""
    if not is_whole(text):
        raise TextError(f"{name} holds half of a character (a lone surrogate); correct it")
    return is_text(text)


def _load(text: bytes, rules: MemberRules) -> tuple[dict[str, Any], str | None]:
    """(fields, a remark on the first number that is not finite, or None). Raises TextError."""
    try:
        content, remark = load_odd(decode_json(text))
    except (ValueError, RecursionError) as error:
        raise TextError(f"json cannot be read ({error}); correct it, or name other --text-members") from error
    if isinstance(content, dict):
        return content, remark
    if rules.text_field != () and isinstance(content, list) and all(isinstance(item, str | dict) for item in content):
        return {"caption": content}, remark
    raise TextError(
        f"json should be an object with a list of objects under 'records', or with the fields of one record; "
        f"it is a {type(content).__name__}"
    )


def _why_no_text(fields: dict[str, Any], txt: bytes | None, rules: MemberRules) -> str:
    """The reason for a sample in whose json and txt no text was found."""
    looked = "the txt is empty" if txt is not None else "there is no other text member"
    if not fields:
        return f"has no text: {looked}"
    names = rules.text_field or tuple(name for name in (*_DEFAULT_FIELDS, "question") if name is not _TXT)
    texts = with_text(fields, _NUM_NAMED)
    if texts:
        others = f" (or {', '.join(texts[1:])})" if texts[1:] else ""
        remedy = f"name the field that does: --text-field {shlex.quote(texts[0])}{others}"
    else:
        there = ", ".join(name[:_SHOWN] for name in sorted(fields)[:_NUM_NAMED])
        remedy = f"it has {there}; name another member with --text-members"
    where = ", ".join(names)
    return f"has no text: {where} of the json hold none and {looked}; {remedy}; if none is needed: --text-field ''"


def _not_a_text(value: Any, where: str, field: str | None = None) -> str:
    """The reason for a value at `where` that is no text. field: the one that holds it, if another could be read."""
    if isinstance(value, bool):
        kind = "true" if value else "false"
    elif isinstance(value, float) and not math.isfinite(value):
        kind = "NaN or an infinity"
    else:
        kind = "a number" if isinstance(value, int | float) else "an object" if isinstance(value, dict) else "a list"
    remedy = "correct it" if field is None else "correct it, or name another field with --text-field"
    if field is not None and isinstance(value, dict) and value:
        inner = next((key for key in value if isinstance(value[key], str | list)), next(iter(value)))
        remedy = f"name the field inside it: --text-field {shlex.quote(f'{field}.{inner}'[:_SHOWN])}"
    return f"{where} is {kind}, not a text; {remedy}"
