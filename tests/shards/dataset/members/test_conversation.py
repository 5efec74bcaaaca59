"""Conversations about a medium become records of question and answer."""

from __future__ import annotations

import json

from shards.dataset.members.conversation import as_turns, exchanges
from shards.dataset.members.records import parse_texts


def test_turns_of_llava_are_questions_and_answers() -> None:
    turns = [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A cat."},
        {"from": "human", "value": "Where?\n<image>"},
        {"from": "gpt", "value": "On a mat."},
        {"from": "human", "value": "unanswered"},
    ]
    records = parse_texts(json.dumps({"id": "7", "conversations": turns}).encode(), None).records
    assert records == [
        {"id": "7", "question": "What is it?", "answer": "A cat.", "caption": "A cat."},
        {"id": "7", "question": "Where?", "answer": "On a mat.", "caption": "On a mat."},
    ]


def test_chat_messages_may_come_in_parts() -> None:
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}
    turns = as_turns([{"role": "system", "content": "be kind"}, asked, {"role": "assistant", "content": "A dog."}])
    assert turns is not None
    assert exchanges(turns) == [{"question": "What?", "answer": "A dog.", "caption": "A dog."}]


def test_an_answer_without_a_question_is_a_caption() -> None:
    assert exchanges([("gpt", "a"), ("gpt", ""), ("human", "q")]) == [{"answer": "a", "caption": "a"}]


def test_other_lists_are_no_conversation() -> None:
    assert as_turns([]) is None
    assert as_turns(["a"]) is None
    assert as_turns([{"caption": "a"}]) is None
    assert as_turns([{"from": "human", "value": "a"}, {"caption": "b"}]) is None
    assert as_turns([{"from": 3, "value": "a"}]) is None
