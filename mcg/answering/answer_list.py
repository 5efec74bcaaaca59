"""The answers that a model chooses from: for ranking by likelihood, and the classes of a classifier.

A list is a file, or a dataset of shards, whose answers are then taken, commonest first:

    train_ans2label.json   {"answer": number}, the numbers being 0 to n - 1 (ALPRO, MCG)
    answers.json           ["answer", ...]
    answers.txt            an answer a line
    s3://bucket/msrvtt_qa/train or a folder with dataset.json: the answers of its records; no medium is read
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from mcg.tasks.dataset_records import dataset_records
from mcg.tasks.task import label_of
from shards.base import PrintableError, load_json, shown
from shards.storage import is_remote


class AnswerListError(PrintableError, ValueError):
    """A list of answers that is missing or cannot be used."""


def read_answers(place: str, limit: int | None = None) -> tuple[str, ...]:
    """The answers of a file or dataset, at most the first `limit`, each once. Raises AnswerListError, SourceError."""
    path = Path(place).expanduser()
    place, address = shown(place), place
    if is_remote(address) or path.is_dir():
        answers = _of_dataset(address)
    elif path.is_file():
        answers = _of_file(path)
    else:
        raise AnswerListError(
            f"task.answer_list: no file or dataset {place}; name a .json or .txt file of answers, or a dataset of "
            "shards whose answers to take, such as that of training"
        )
    answers = answers[:limit]
    blank = [number for number, answer in enumerate(answers) if not answer.strip()]
    twice = [answer for answer, count in Counter(answers).items() if count > 1]
    if not answers or blank or twice:
        what = "it holds no answer"
        what = f"answer number {blank[0]} is empty" if blank else f"{twice[0]!r} stands there twice" if twice else what
        raise AnswerListError(f"task.answer_list: {place}: {what}")
    return tuple(answers)


def _of_file(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() != ".json":
            return [line.strip() for line in text.splitlines() if line.strip()]
        content: Any = load_json(text)
    except (OSError, ValueError) as error:
        raise AnswerListError(f"task.answer_list: {path}: not readable: {error}") from error
    if isinstance(content, list) and all(isinstance(answer, str) for answer in content):
        return list(content)
    if isinstance(content, dict) and sorted(map(str, content.values())) == sorted(map(str, range(len(content)))):
        return sorted(content, key=lambda answer: int(content[answer]))
    raise AnswerListError(
        f"task.answer_list: {path}: expected a list of answers, or an object of answers with the numbers 0 to n - 1, "
        f"each once; found {text[:60]!r}"
    )


def _of_dataset(url: str) -> list[str]:
    counts = Counter(answer for record in dataset_records(url) if (answer := label_of(record, "answer")))
    return [answer for answer, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
