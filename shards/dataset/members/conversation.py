"""The text of a conversation about a medium, as LLaVA and chat formats write it: turns of who said what.

Promises: turns are paired, so every answer becomes one record with the question before it; marks that stand for the
medium (<image>) are taken out. Gives up: what a system prompt says, and questions that nobody answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_FORMS = (("from", "value"), ("role", "content"))
"""Names of speaker and text, in LLaVA's files and in those of chat models."""
_ASKS, _ANSWERS = ("human", "user"), ("gpt", "assistant", "model", "bot")
_MARKS = ("<image>", "<video>", "<audio>")

Turn = tuple[str, str]
"""(speaker, text)."""


def as_turns(items: Sequence[Any]) -> list[Turn] | None:
    """A list of a json as turns; None when it is no conversation."""
    for who, what in _FORMS:
        if items and all(isinstance(item, dict) and isinstance(item.get(who), str) and what in item for item in items):
            return [(item[who].lower(), _text(item[what])) for item in items]
    return None


def exchanges(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """A record for each answer: question (if there was one), answer, and the answer as caption."""
    records = []
    question = ""
    for speaker, text in turns:
        if speaker in _ASKS:
            question = text
        elif speaker in _ANSWERS and text:
            asked = {"question": question} if question else {}
            records.append({**asked, "answer": text, "caption": text})
            question = ""
    return records


def _text(content: Any) -> str:
    """The text of a turn; chat formats cut it into parts of several types."""
    parts = content if isinstance(content, list) else [content]
    parts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    text = " ".join(part for part in parts if isinstance(part, str))
    for mark in _MARKS:
        text = text.replace(mark, " ")
    return text.strip()
