"""Conversations about a medium become records of question and answer."""

from __future__ import annotations

import json

from shards.dataset.members.conversation import conversation
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
    turns = [{"role": "system", "content": "be kind"}, asked, {"role": "assistant", "content": "A dog."}]
    assert conversation(turns) == [{"question": "What?", "answer": "A dog.", "caption": "A dog."}]


def test_an_answer_without_a_question_is_a_caption() -> None:
    turns = [{"from": who, "value": text} for who, text in (("gpt", "a"), ("GPT", ""), ("human", "q"))]
    assert conversation(turns) == [{"answer": "a", "caption": "a"}]


def test_other_lists_are_no_conversation() -> None:
    assert conversation([]) is None
    assert conversation(["a"]) is None
    assert conversation([{"caption": "a"}]) is None
    assert conversation([{"from": "human", "value": "a"}, {"caption": "b"}]) is None
    assert conversation([{"from": 3, "value": "a"}]) is None
