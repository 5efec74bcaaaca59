"""WUPS on a WordNet small enough to reckon with, and on the predictions that NExT-OE publishes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.metrics.wordnet import WordNet
from mcg.metrics.wups import STOP_WORDS, Wups, wups_table
from tests.small_wordnet import write_wordnet


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Wups:
    return Wups(WordNet(write_wordnet(tmp_path_factory.mktemp("wordnet"))))


DOG_CAT = 4 / 6
DOG_TOWN = 2 / 5


@pytest.mark.parametrize(
    ("prediction", "reference", "at_0", "at_9"),
    [
        ("dog", "dog", 1, 1),
        ("the dog", "a dog", 1, 1),
        ("Dogs", "dog", 1, 1),
        ("dog", "cat", DOG_CAT, DOG_CAT / 10),
        ("dog cat", "cat", DOG_CAT, DOG_CAT / 10),
        ("dog dog", "cat", DOG_CAT**2, DOG_CAT**2 / 100),
        ("dog unicorn", "dog", 1, 1),  # a word like nothing is left out, not multiplied
        ("dog cat", "dog town", min(DOG_CAT, DOG_TOWN), DOG_TOWN / 10),
        ("unicorn", "dog", 0, 0),
        ("unicorn", "unicorn", 1, 1),
        ("the", "the", 0, 0),  # nothing left to compare
        ("", "dog", 0, 0),
    ],
)
def test_scores_by_eye(small: Wups, prediction: str, reference: str, at_0: float, at_9: float) -> None:
    assert small.score(prediction, [reference], "CH") == pytest.approx((at_0, at_9))


@pytest.mark.parametrize("kind", ["DB", "DC"])
def test_yes_no_and_numbers_are_exact_up_to_stop_words(small: Wups, kind: str) -> None:
    assert small.score("cat", ["dog"], kind) == (0, 0)
    assert small.score("the dogs", ["dog"], kind) == (1, 1)
    assert small.score("two", ["three", "two"], kind) == (1, 1)


def test_the_best_reference_counts(small: Wups) -> None:
    assert small.score("cat", ["town", "dog"], "CW") == pytest.approx((DOG_CAT, DOG_CAT / 10))


def test_the_form_of_a_word_says_its_part_of_speech(small: Wups) -> None:
    assert [small.lemma(word) for word in ("playing", "played", "plays", "ran", "closest", "mice", "men")] == [
        "play", "play", "play", "run", "close", "mice", "man",
    ]  # fmt: skip
    assert small.content("The men play, slowly!") == ("man", "play", ",", "slowly", "!")


ANSWERS = st.lists(st.sampled_from(["dog", "cats", "poodle", "run", "playing", "town", "unicorn", "the"])).map(" ".join)


@given(ANSWERS, ANSWERS, ANSWERS)
def test_scores_are_shares_symmetric_in_the_answers_and_never_fall_with_references(
    small: Wups, one: str, other: str, third: str
) -> None:
    at_0, at_9 = small.score(one, [other])
    assert 0 <= at_9 <= at_0 <= 1
    assert small.score(other, [one]) == pytest.approx((at_0, at_9))
    assert all(more >= less for more, less in zip(small.score(one, [other, third]), (at_0, at_9), strict=True))
    assert small.score(one, [one])[0] == float(any(word not in STOP_WORDS for word in one.split()))


def test_the_table_holds_types_groups_and_the_official_line() -> None:
    scores = np.array([[1.0, 0.5], [0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    table = wups_table(scores, ["TN", "TP", "TC", "DB"])
    assert table["wups0"]["overall"] == 0.625 and table["wups9"]["overall"] == 0.5
    assert table["wups0"]["by_type"] == {"DB": 1.0, "TC": 0.5, "TN": 1.0, "TP": 0.0}
    assert table["wups0"]["by_group"] == {"D": 1.0, "T": 0.5}
    official = table["wups0"]["official"]
    assert official["TN"] == 50.0 and official["T"] == 50.0 and "CW" not in official and official["all"] == 62.5
    assert table["wups0"]["counts"] == {"DB": 1, "TC": 1, "TN": 1, "TP": 1, "D": 1, "T": 3}
    low, high = table["wups0"]["interval"]
    assert 0 <= low < 0.625 < high <= 1


@pytest.mark.parametrize("shape", [(0, 2), (3, 2), (2, 1)])
def test_scores_that_do_not_fit_the_types_are_refused(shape: tuple[int, int]) -> None:
    types = ["CH"] * 2 if shape[0] else []
    with pytest.raises(ValueError, match=r"WUPS needs \d > 0 rows of 2 scores, found"):
        wups_table(np.zeros(shape), types)


def test_there_are_156_stop_words_and_they_are_the_official_ones(annotations: Path) -> None:
    assert frozenset((annotations / "nextqa_oe" / "stopwords.txt").read_text().split()) == STOP_WORDS
    assert len(STOP_WORDS) == 156


def test_published_predictions_score_what_was_published(wordnet: WordNet, annotations: Path) -> None:
    """NExT-OE's README: WUPS@0 21.48 on val, 14.76 / 14.90 / 46.60 by group; pywsd's lemmas make the difference."""
    folder = annotations / "nextqa_oe"
    predictions = json.loads((folder / "results_val_example.json").read_text())
    with open(folder / "val.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    wups = Wups(wordnet)
    scores = [wups.score(predictions[r["video"]][r["qid"]], [r["answer"]], r["type"]) for r in rows]
    official = wups_table(np.array(scores), [r["type"] for r in rows])["wups0"]["official"]
    assert len(rows) == 5343
    for column, published in {"all": 21.48, "C": 14.76, "T": 14.90, "D": 46.60}.items():
        assert official[column] == pytest.approx(published, abs=0.5), column
