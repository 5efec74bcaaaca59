"""The reason for a missing text names the option that reads what is there."""

from __future__ import annotations

from typing import Any

import pytest

from shards.dataset.members.rules import MemberRules
from shards.dataset.members.text_reasons import not_a_text, why_no_text


@pytest.mark.parametrize(
    ("fields", "txt", "rules", "reason"),
    [
        ({}, None, MemberRules(), "has no text: there is no other text member"),
        ({"alt": "a dog", "n": 1}, b" ", MemberRules(), "the txt is empty; name the field that does: --text-field alt"),
        ({"b": 1, "a": 2}, None, MemberRules(), "it has a, b; name another member with --text-members"),
        ({"n": 1}, None, MemberRules(text_field=("x", "y")), "x, y of the json hold none"),
    ],
)
def test_a_sample_without_text(fields: dict[str, Any], txt: bytes | None, rules: MemberRules, reason: str) -> None:
    assert reason in why_no_text(fields, txt, rules)


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        (True, None, "captions[1] is true, not a text; correct it"),
        (float("nan"), "captions", "is NaN or an infinity, not a text; correct it, or name another field"),
        (
            {"n": 1, "en": "x"},
            "captions",
            "is an object, not a text; name the field inside it: --text-field captions.en",
        ),
        ({"n": 1}, None, "captions[1] is an object, not a text; correct it"),
        ([[1]], "captions", "is a list"),
    ],
)
def test_a_value_that_is_no_text(value: object, field: str | None, reason: str) -> None:
    assert reason in not_a_text(value, "captions[1]", field)
