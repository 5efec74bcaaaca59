"""Conversations about a medium, as LLaVA and chat formats write them: turns, each of a speaker and a text.

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


def conversation(items: Sequence[Any]) -> list[dict[str, str]] | None:
    """The records of a list from a json that is a conversation; None if it is none.

    There is a record for each answer: its question if there was one, the answer, and the answer as caption.
    """
    for speaker, text in _FORMS:
        if items and all(
            isinstance(item, dict) and isinstance(item.get(speaker), str) and text in item for item in items
        ):
            return _exchanges([(item[speaker].lower(), _text(item[text])) for item in items])
    return None


def _exchanges(turns: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The records of turns, each given as (speaker, text)."""
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
    """The text of a turn, which chat formats divide into texts and media."""
    items = content if isinstance(content, list) else [content]
    texts = [item.get("text") if isinstance(item, dict) else item for item in items]
    text = " ".join(text for text in texts if isinstance(text, str))
    for mark in _MARKS:
        text = text.replace(mark, " ")
    return text.strip()
