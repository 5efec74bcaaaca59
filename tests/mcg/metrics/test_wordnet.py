"""WordNet on a database small enough to count steps in, and on the real one against values that nltk prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.metrics.wordnet import WordNet
from shards.base import WordNetError
from tests.small_wordnet import SYNSETS, write_wordnet


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> WordNet:
    return WordNet(write_wordnet(tmp_path_factory.mktemp("wordnet")))


def _similarity(wordnet: WordNet, one: str, other: str) -> float:
    first, second = wordnet.first_synset(one), wordnet.first_synset(other)
    assert first is not None and second is not None
    return wordnet.similarity(first, second)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("dog", "dog", 1.0),
        ("dog", "cat", 4 / 6),  # animal has depth 2; a step from each
        ("dog", "animal", 4 / 5),
        ("animal", "dog", 4 / 5),
        ("dog", "town", 2 / 5),
        ("poodle", "cat", 4 / 7),
        ("poodle", "town", 2 / 5),  # by way of toy, the shorter one
        ("run", "think", 2 / 5),  # under a root that WordNet does not have
        ("move", "run", 2 / 3),
        ("run", "move", 2 / 5),  # nltk finds that root as low as move, and sorts it first
        ("dog", "run", 0.0),  # nltk 3.3: nothing above both
        ("red", "close", 0.0),
        ("red", "dog", 0.0),
        ("red", "red", 1.0),
    ],
)
def test_similarity_by_eye(small: WordNet, one: str, other: str, expected: float) -> None:
    assert _similarity(small, one, other) == pytest.approx(expected)


def test_a_verb_resembles_a_noun_but_no_noun_a_verb(small: WordNet) -> None:
    assert _similarity(small, "run", "dog") == pytest.approx(2 / 7)
    assert _similarity(small, "dog", "run") == 0.0


WORDS = st.sampled_from([word for name in ("noun", "verb") for word, _ in SYNSETS[name]])


@given(WORDS, WORDS)
def test_similarity_is_a_share_and_full_for_oneself_alone(small: WordNet, one: str, other: str) -> None:
    found = _similarity(small, one, other)
    assert 0 <= found <= 1 and (found == 1) == (one == other)


def test_the_first_synset_is_a_nouns_where_there_is_one(small: WordNet) -> None:
    assert small.first_synset("play") == ("n", 900) and small.first_synset("Plays") == ("n", 900)
    assert small.first_synset("playing") == ("v", 200)
    assert small.first_synset("slowly") == ("r", 100)
    assert small.first_synset("unicorn") is None


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path)
    (folder / "index.noun").write_text("dog n x 1 @ 1 0 00000300\ncat n 1 1 @ 1 0 00000999\n")
    broken = WordNet(folder)
    with pytest.raises(WordNetError, match=r"index\.noun: the line of 'dog' is damaged"):
        broken.first_synset("dog")
    cat = broken.first_synset("cat")
    assert cat is not None
    with pytest.raises(WordNetError, match=r"data\.noun: there is no synset 00000999"):
        broken.similarity(cat, cat)
    folder = write_wordnet(tmp_path)
    (folder / "data.noun").write_text("00000300 03 n 01 dog 0 001 @ 00000300 n 0000 | round\n")
    circle = WordNet(folder)
    with pytest.raises(WordNetError, match=r"data\.noun: synset 00000300 is a hypernym of itself"):
        circle.similarity(("n", 300), ("n", 300))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("dog", "cat", 0.8571428571428571),
        ("baby", "boy", 0.6),
        ("run", "jump", 0.42105263157894735),
        ("car", "bicycle", 0.7272727272727273),
        ("sofa", "couch", 1.0),
        ("happy", "sad", 0.0),
    ],
)
def test_the_real_one_gives_what_nltk_prints(wordnet: WordNet, one: str, other: str, expected: float) -> None:
    assert _similarity(wordnet, one, other) == pytest.approx(expected)


def test_a_word_that_the_real_one_does_not_have(wordnet: WordNet) -> None:
    assert wordnet.first_synset("xyzzy") is None
