"""Text of others becomes safe to print: it moves no cursor, forges no line, hides nothing, and has an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.safe_text import LONGEST_LINE, one_line, printable
from tests.shards.hostile_text import is_safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        (
            "größe 猫 👩\u200d🚀 क्\u200dष می\u200cخواهم 1\ufe0f⃣ ❤\ufe0f",
            "größe 猫 👩\u200d🚀 क्\u200dष می\u200cخواهم 1\ufe0f⃣ ❤\ufe0f",
        ),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\x00\x7f", "a\\r\\nb\\x00\\x7f"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("a\u200bb\u2060c\ufeffd\u00ade", "a\\u200bb\\u2060c\\ufeffd\\xade"),
        ("cat\u200ddog", "cat\\u200ddog"),
        ("cat\ufe0fdog\ufe01", "cat\\ufe0fdog\\ufe01"),
        ("a\u3164b\u115fc\u034fd\u2800", "a\\u3164b\\u115fc\\u034fd\\u2800"),
        ("\U000e0041\U000e0101", "\\U000e0041\\U000e0101"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\ud800", "\\ud800"),
    ],
)
def test_text_from_data_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).encode()


@pytest.mark.parametrize(
    "text",
    ["größe 猫", "👩\u200d🚀", "क्\u200dष", "می\u200cخواهم", "1\ufe0f\u20e3", "❤\ufe0f", "👩🏽\u200d🚀", "a\u3000b"],
)
def test_words_and_emoji_of_every_language_stay_as_they_are(text: str) -> None:
    assert printable(text) == one_line(text) == text


@given(st.text(st.characters(), max_size=60))
def test_whatever_the_text_one_line_of_it_is_safe(text: str) -> None:
    for shown in (printable(text), one_line(text)):
        assert is_safe(shown) and len(shown.splitlines()) <= 1
        assert printable(shown) == shown
        shown.encode()


def test_long_text_is_cut() -> None:
    assert printable("x" * 50, 10) == "xxxxxxxxx…"


@pytest.mark.parametrize("filling", ["x", "\x1b", "\n", "\U000e0041"])
def test_a_long_line_keeps_its_place_and_its_remedy(filling: str) -> None:
    line = one_line(f"s3://bucket/index.parquet: {filling * 1_200_000}; fetch it again")
    assert len(line) <= LONGEST_LINE and is_safe(line)
    assert line.startswith("s3://bucket/index.parquet: ") and line.endswith("; fetch it again")
    assert "more characters" in line


def test_line_ends_of_a_message_become_spaces() -> None:
    assert one_line("no\nsuch  \r\n\u2028 thing") == "no such thing"
