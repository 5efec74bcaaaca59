"""Which words of a text are nouns, by the real WordNet."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base import WordForms
from tests.small_wordnet import write_wordnet
from tools.entities.nouns import Nouns


@pytest.fixture(scope="module")
def nouns(wordnet_folder: Path) -> Nouns:
    return Nouns(WordForms(wordnet_folder))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A man is playing the guitar in the kitchen.", "man guitar kitchen"),
        ("Two women and three children sing loudly", "woman child"),  # noun.exc and plural rules
        ("dogs, boxes; the leaves! cities - knives", "dog box leaf city knife"),
        ("a tall building, a wedding, painting", "building wedding painting"),  # nouns in -ing
        ("he is cooking; a cooking class", "cooking class"),  # no noun after a form of "be"
        ("a bear runs; his bears, the cut", "bear bear"),  # seen as a verb most often, but not after an article
        ("she walks, they run, it looks", ""),
        ("it is in us, as he or i do", ""),  # iodine, inch, United States, Oregon
        ("London and Clinton, a man's dog, men's hats", "man dog man hat"),  # names of one thing are left out
        ("a t-shirt, a man-eating plant, boy’s well-known bike", "t-shirt man plant boy bike"),
        ("2 cats, 1st place, mp3, 3d, x, 1000", "cat place"),
        ("glasses, stairs, clothes, jeans, words", "glass stairs clothes jean word"),
        ("die Mutter läuft auf der Straße", ""),
        ("\x1b[31m dog\x1b[0m\u202e\ncat\t", "dog cat"),
        ("don't you're we'll y'all", ""),
        ("", ""),
    ],
)
def test_nouns_of_a_text(nouns: Nouns, text: str, expected: str) -> None:
    assert nouns.of(text).nouns == expected.split()


def test_words_that_wordnet_does_not_know_are_counted(nouns: Nouns) -> None:
    found = nouns.of("the dog frobnicates 12 zzyzx-cats, 犬が走る")
    assert (found.num_words, found.num_english) == (6, 3)
    assert nouns.of("x" * 1_000_000).nouns == []


@given(st.text())
def test_any_text_has_nouns_of_one_field(small: Nouns, text: str) -> None:
    found = small.of(text)
    assert all(len(noun.split()) == 1 for noun in found.nouns) and len(found.nouns) <= found.num_english
    assert found.num_english <= found.num_words


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Nouns:
    return Nouns(WordForms(write_wordnet(tmp_path_factory.mktemp("wordnet"))))
