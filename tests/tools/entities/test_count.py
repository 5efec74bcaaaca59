"""Counting the nouns of datasets, and the file that is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards import DatasetWriter, MediaFacts
from shards.base import MissingFile, UsageError, WordForms
from shards.cli import Dataset, Progress, open_dataset
from tests.small_wordnet import write_wordnet
from tools.entities.count import NounCounts, count_nouns, write_entities
from tools.entities.nouns import Nouns

FACTS = MediaFacts("video", "h264", 8, 8, 10, 10.0, 1.0)


@pytest.fixture(scope="module")
def nouns(tmp_path_factory: pytest.TempPathFactory) -> Nouns:
    return Nouns(WordForms(write_wordnet(tmp_path_factory.mktemp("wordnet"))))


def _dataset(url: str, *samples: list[dict[str, str]]) -> Dataset:
    with DatasetWriter(url, "toy", samples_per_shard=2) as writer:
        for number, records in enumerate(samples):
            writer.write(f"k{number}", b"medium", "mp4", records, {}, FACTS)
    return open_dataset(url)


def _count(nouns: Nouns, *datasets: Dataset) -> NounCounts:
    return count_nouns(datasets, nouns, Progress("entities", None, "samples"))


def test_all_texts_of_all_records_of_all_datasets_count(tmp_path: Path, nouns: Nouns) -> None:
    captions = _dataset(str(tmp_path / "a"), [{"caption": "a dog, a cat"}, {"caption": "dogs"}], [{"caption": "towns"}])
    questions = _dataset("memory://entities/b", [{"question": "who is the man?", "answer": "a dog"}], [{"label": "7"}])
    counts = _count(nouns, captions, questions)
    assert counts.nouns == {"dog": 3, "cat": 1, "town": 1, "man": 1}
    assert (counts.num_samples, counts.num_texts, counts.num_unreadable) == (4, 5, 0)
    assert counts.commonest(3) == [("dog", 3), ("cat", 1), ("man", 1)]  # equally common ones by alphabet


def test_fewer_nouns_than_asked_are_refused_with_the_settings(tmp_path: Path, nouns: Nouns) -> None:
    counts = _count(nouns, _dataset(str(tmp_path / "a"), [{"caption": "a dog and the cat"}]))
    message = (
        r"--count 1,000: 1 texts of 1 samples hold 2 nouns; .*--count 2, and set model\.num_entities and objectives"
    )
    with pytest.raises(UsageError, match=message):
        counts.commonest(1000)


def test_texts_of_another_language_and_none_are_told(tmp_path: Path, nouns: Nouns) -> None:
    foreign = _count(nouns, _dataset(str(tmp_path / "a"), [{"caption": "eine dog läuft die Straße"}]))
    assert foreign.is_foreign
    with pytest.raises(
        UsageError, match=r"hold 1 nouns; nouns are found in English texts only; give datasets with Eng"
    ):
        foreign.commonest(2)
    with pytest.raises(
        UsageError,
        match="0 texts of 1 samples hold 0 nouns; give datasets with English captions",
    ):
        _count(nouns, _dataset(str(tmp_path / "b"), [{"label": "7"}])).commonest(2)


def test_a_cut_shard_loses_its_samples_and_a_missing_one_is_refused(tmp_path: Path, nouns: Nouns) -> None:
    dataset = _dataset(str(tmp_path), *[[{"caption": "a dog"}]] * 3)
    first, second = sorted(tmp_path.glob("*.tar"))
    first.write_bytes(first.read_bytes()[:2100])
    counts = _count(nouns, dataset)
    assert counts.nouns["dog"] + counts.num_unreadable == counts.num_samples == 3
    assert counts.num_unreadable == 1 and "toy/000000.tar:k1: .json should be bytes" in counts.examples[0]
    second.unlink()
    with pytest.raises(MissingFile, match=r"000001\.tar: not found"):
        _count(nouns, open_dataset(str(tmp_path)))


def test_a_line_is_the_noun_and_its_count(tmp_path: Path) -> None:
    path = tmp_path / "entities.txt"
    path.write_text("old")
    write_entities(path, [("dog", 3), ("t-shirt", 1)])
    assert path.read_bytes() == b"dog 3\nt-shirt 1\n" and list(tmp_path.iterdir()) == [path]
