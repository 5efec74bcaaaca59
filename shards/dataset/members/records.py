"""What text records a sample has: one answer for samples of ours and for those made elsewhere.

Promises: json is parsed with limits (no endless digits or nesting), so hostile text gives records or a TextError with
the reason, nothing else; no record holds NaN or an infinity. The rules, in order:
- json is an object with a list of objects under "records": those are the records, the other fields are the meta (ours).
- Else the text is looked for (`MemberRules.text_field`): "caption" of the json, the txt (stripped), "captions", "text",
  "conversations". One text is one record: the fields of the json and "caption". A list of texts is as many records, and
  so is one of objects with a caption; turns of a conversation are records with question, answer and caption (the
  answer). The meta is empty: every field belongs to the records.
- Without any of these a json with a "question" is one record; else the sample has no text.
What stands where a text should and is none (a number, an object, NaN) is a TextError: it would train on its spelling.
NaN elsewhere becomes null and is noted. "records" that is no list of objects is damage and never foreign text.
"""

from __future__ import annotations

import codecs
import json
import math
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from shards.base.errors import PrintableError
from shards.base.json_text import check_json
from shards.dataset.members.conversation import as_turns, exchanges
from shards.dataset.members.json_path import look_up, with_text
from shards.dataset.members.rules import MemberRules

_TXT = None
_DEFAULT_FIELDS = ("caption", _TXT, "captions", "text", "conversations")
_TEXT_NAMES = ("caption", "question")
"""Fields that hold the text of a record of ours."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUM_NAMED, _SHOWN = 6, 60


class TextError(PrintableError, ValueError):
    """Text members that give no record; the message is the reason."""


class Texts(NamedTuple):
    """The text of a sample."""

    records: list[dict[str, Any]]
    meta: dict[str, Any]
    """What the json says about the sample as a whole."""
    notes: tuple[str, ...] = ()
    """What was passed over."""


def parse_texts(json_text: bytes | None, txt: bytes | None, rules: MemberRules = MemberRules()) -> Texts:  # noqa: B008
    """Find the records of a sample from its json and other text (None: it has none). Raises TextError."""
    try:
        return _parse(json_text, txt, rules)
    except RecursionError as error:
        raise TextError("json cannot be read (it is nested too deep); correct it") from error


def _parse(json_text: bytes | None, txt: bytes | None, rules: MemberRules) -> Texts:
    content: dict[str, Any] = {}
    odd: str | None = None
    if json_text is not None:
        content, odd = _load(json_text, rules)
    if content.get("records") is not None:
        records = _own_records(content.pop("records"), odd, rules)
    else:
        records, content = _found_records(content, txt, rules), {}
    if odd is None:
        return Texts(records, content)
    records, content = [_without_nan(record) for record in records], _without_nan(content)
    return Texts(records, content, ("NaN or infinity in a json field that is not used; it is read as null",))


def _own_records(records: Any, odd: str | None, rules: MemberRules) -> list[dict[str, Any]]:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise TextError("json should be an object with a list of objects under 'records'")
    if odd is not None and not all(map(_is_finite, records)):
        raise TextError(f"json cannot be read ({odd}); write null")
    for number, record in enumerate(records if rules.text_field != () else ()):
        if not (is_text(record.get("caption")) and record.get("question") is None):
            _check_own(record, f"records[{number}]")
    return records


def _check_own(record: dict[str, Any], where: str) -> None:
    texts = {name: record[name] for name in _TEXT_NAMES if record.get(name) is not None}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise TextError(f"{where}: {name} is {_kind(value)}, not a text; correct it")
    if not any(_says_something(value, f"{where}: {name}") for name, value in texts.items()):
        raise TextError(f"{where} has no text in caption or question; if none is needed: --text-field ''")


def _found_records(fields: dict[str, Any], txt: bytes | None, rules: MemberRules) -> list[dict[str, Any]]:
    """The records of a json without "records" and a txt. Raises TextError."""
    if rules.text_field == ():
        there = fields.get("caption")
        if (there is None or (isinstance(there, str) and not is_text(there))) and (caption := _plain(txt)):
            fields["caption"] = caption
        if not fields:
            raise TextError("has no text: neither a field in json nor a caption in txt")
        return [fields]
    named = rules.text_field is not None
    problem: TextError | None = None
    fields_in_order = (*rules.text_field, _TXT) if rules.text_field is not None else _DEFAULT_FIELDS
    for name in (_TXT, *fields_in_order) if rules.txt_first else fields_in_order:
        if name is _TXT:
            if caption := _plain(txt):
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
    raise problem or TextError(_no_text(fields, txt, rules))


def _texts(value: Any, name: str) -> list[dict[str, Any]]:
    """What a field adds to each of its records; nothing where it is empty. Raises TextError where it is no text."""
    if value is None:
        return []
    if isinstance(value, str):
        return [{"caption": value}] if _says_something(value, name) else []
    if not isinstance(value, list):
        raise TextError(f"{name} is {_kind(value)}, not a text; {_remedy(value, name)}")
    turns = as_turns(value)
    if turns is not None:
        return exchanges(turns)
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
    raise TextError(f"{name}[{number}] is {_kind(item)}, not a text; {_remedy(item, name)}")


def _says_something(text: str, name: str) -> bool:
    """False where it is blank. Raises TextError where it holds halves of characters."""
    if not is_whole(text):
        raise TextError(f"{name} holds half of a character (a lone surrogate); correct it")
    return is_text(text)


def _plain(txt: bytes | None) -> str:
    """The caption of a txt. Raises TextError."""
    if txt is None:
        return ""
    encoding = "utf-8-sig"
    if txt[:1] in (b"\xff", b"\xfe", b"\0") or b"\0" in txt:
        # By its mark, else by where the zeros are, as json has it.
        encoding = next((name for mark, name in _MARKS if txt.startswith(mark)), None) or json.detect_encoding(txt)
    try:
        caption = txt.decode(encoding).strip()
    except UnicodeDecodeError as error:
        raise TextError(f"txt is not utf-8 ({error}); convert it, as in: iconv -f LATIN1 -t UTF-8") from error
    if "\0" in caption:
        raise TextError("txt holds zero bytes; is it text at all? convert it to utf-8")
    return caption if is_text(caption) else ""


def _load(text: bytes, rules: MemberRules) -> tuple[dict[str, Any], str | None]:
    """(fields, what is said of the first number that is not finite)."""
    odd: str | None = None
    try:
        string = text.decode(json.detect_encoding(text), "surrogatepass")
        try:
            check_json(string)
            content = _DECODER.decode(string)
        except _NotFinite as error:
            odd, content = str(error), _LENIENT.decode(string)
    except (ValueError, RecursionError) as error:
        raise TextError(f"json cannot be read ({error}); correct it, or name other --text-members") from error
    if isinstance(content, dict):
        return content, odd
    if rules.text_field != () and isinstance(content, list) and all(isinstance(item, str | dict) for item in content):
        return {"caption": content}, odd
    raise TextError(
        f"json should be an object with a list of objects under 'records', or with the fields of one record; "
        f"it is a {type(content).__name__}"
    )


def _no_text(fields: dict[str, Any], txt: bytes | None, rules: MemberRules) -> str:
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


def _remedy(value: Any, name: str) -> str:
    if isinstance(value, dict) and value:
        inner = next((key for key in value if isinstance(value[key], str | list)), next(iter(value)))
        return f"name the field inside it: --text-field {shlex.quote(f'{name}.{inner}'[:_SHOWN])}"
    return "correct it, or name another field with --text-field"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN or an infinity"
    return "a number" if isinstance(value, int | float) else "an object" if isinstance(value, dict) else "a list"


def is_text(value: Any) -> bool:
    """Whether a value is a text in which something can be read, of whole characters."""
    if not isinstance(value, str):
        return False
    return (value[:1].isalnum() or any(map(str.isprintable, value.strip()))) and is_whole(value)


def is_whole(text: str) -> bool:
    """Whether a text can be encoded: json lets halves of characters (lone surrogates) pass."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---------------------------------------------------------------- numbers that are none


class _NotFinite(PrintableError, ValueError):
    """A number that json does not have; caught in this module."""


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return (
        all(map(_is_finite, value))
        if isinstance(value, list)
        else not (isinstance(value, float) and not math.isfinite(value))
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return value if _is_finite(value) else None


def _no_constant(name: str) -> NoReturn:
    raise _NotFinite(f"{name} is no json")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NotFinite(f"the number {digits[:40]} is beyond what a float holds")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
"""`json.loads` would make one for every text."""
_LENIENT = json.JSONDecoder()
