"""Reasons for a sample without text, with the option that helps."""

from __future__ import annotations

import math
import shlex
from typing import Any

from shards.dataset.members.json_path import with_text
from shards.dataset.members.rules import MemberRules

TXT = None
"""The txt, among names of fields of the json."""
DEFAULT_FIELDS = ("caption", TXT, "captions", "text", "conversations")
"""Where a text is looked for if the rules name no field, the first that has one counts."""
_NUM_NAMED, _SHOWN = 6, 60


def why_no_text(fields: dict[str, Any], txt: bytes | None, rules: MemberRules) -> str:
    """The reason for a sample in whose json and txt no text was found."""
    looked = "the txt is empty" if txt is not None else "there is no other text member"
    if not fields:
        return f"has no text: {looked}"
    names = rules.text_field or tuple(name for name in (*DEFAULT_FIELDS, "question") if name is not TXT)
    texts = with_text(fields, _NUM_NAMED)
    if texts:
        others = f" (or {', '.join(texts[1:])})" if texts[1:] else ""
        remedy = f"name the field that does: --text-field {shlex.quote(texts[0])}{others}"
    else:
        there = ", ".join(name[:_SHOWN] for name in sorted(fields)[:_NUM_NAMED])
        remedy = f"it has {there}; name another member with --text-members"
    where = ", ".join(names)
    return f"has no text: {where} of the json hold none and {looked}; {remedy}; if none is needed: --text-field ''"


def not_a_text(value: Any, where: str, field: str | None = None) -> str:
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
