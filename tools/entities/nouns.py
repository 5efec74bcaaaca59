"""The nouns of an English text, by WordNet's tagged counts: which of its words are nouns, and their lemmas.

WordNet counts how often a lemma was met as a noun, a verb, an adjective and an adverb in the texts that were tagged for
it. A form takes of these counts the share that such forms have in the Brown corpus, which those texts are from: one use
of a verb in six ends in -ing, so "building" is a noun and "playing" a verb. The part of speech with the greatest count
is taken, except that straight after an article or the like there is neither verb nor adverb ("a bear" is an animal),
and no noun in -ing after a form of "be" ("is cooking").

Words that WordNet leaves out by design (pronouns, prepositions, auxiliaries) are left out, though some are spelt like
a noun ("it", "in", "us"); so are words with digits, single letters, and names of one person or place.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from shards.base import WordForms

_CLOSED = frozenset(
    word
    for line in (
        "a an the this that these those my your his her its our their some any no each every either neither both all",
        "many much few several another such same other others own what which whose who whom whoever whatever whichever",
        "i me mine myself you yours yourself yourselves he him himself she hers herself it itself we us ours ourselves",
        "they them theirs themselves one ones oneself someone somebody something anyone anybody anything everyone",
        "everybody everything nobody none nothing there here where when why how then now than so as if or and but nor",
        "yet because while although though unless until whereas whether about above across after against along among",
        "around at before behind below beneath beside besides between beyond by despite down during except for from in",
        "inside into like near of off on onto out outside over past per since through throughout till to toward",
        "towards under underneath unlike up upon via with within without am is are was were be been being have has had",
        "having do does did doing done can could may might must shall should will would ought not very too also just",
        "only even still again ever never more most less least well oh ah hey hi hello yes ok okay th",
        "s t d m o re ve ll don ain aren couldn didn doesn hadn hasn haven isn ma mightn mustn shan shouldn wasn weren",
    )
    for word in line.split()
)
"""Words that are no nouns, whatever WordNet lists under their spelling; the last line has pieces of "don't" etc."""
_ARTICLES = ("a", "an", "another", "the", "this", "these", "some", "any", "no", "each", "every")
_BEFORE_NOUNS = frozenset((*_ARTICLES, "my", "your", "his", "her", "its", "our", "their"))
"""Words after which neither a verb nor an adverb stands."""
_BE = frozenset(("am", "is", "are", "was", "were", "be", "been", "being", "isn't", "aren't", "wasn't", "weren't"))
_WORD = re.compile(r"[^\W_]+(?:['’\-‐‑][^\W_]+)*|[^\w\s]")
_HYPHENS = str.maketrans("’‐‑", "'--")
_MOST_FORMS, _LONGEST = 1 << 18, 60
"""Forms that are remembered, and characters of one; longer ones are no words."""

_SINGULAR, _PLURAL = 0.73, 0.27
"""Shares of the forms of nouns in the Brown corpus: 152,470 and 55,110 words."""
_VERB_BASE, _VERB_S, _VERB_ING, _VERB_PAST = 0.30, 0.06, 0.16, 0.48
"""Shares of the forms of verbs there: 33,693 base, 7,373 in -s, 17,893 in -ing, 26,167 past and 29,186 participles."""
_COMPARED = 0.1
"""Of an adjective, its comparative and superlative together, roughly."""


class Found(NamedTuple):
    """What a text holds."""

    nouns: list[str]
    """The lemma of every noun, in their order."""
    num_words: int
    num_english: int
    """Words that WordNet knows, or leaves out by design."""


class _Reading(NamedTuple):
    """What a word form can be."""

    noun: str
    """Its lemma as a noun; "" if it is none."""
    is_noun: bool
    """True if it is a noun most often."""
    is_noun_after_article: bool
    """True if it is a noun more often than an adjective."""
    is_participle: bool
    """True for a form in -ing of a verb."""

    def is_noun_after(self, before: str) -> bool:
        """True if the form is a noun after this word."""
        if before in _BEFORE_NOUNS:
            return self.is_noun_after_article
        return self.is_noun and not (self.is_participle and before in _BE)


_NO_NOUN = _Reading("", False, False, False)


class Nouns:
    """Tells the nouns of texts. Making it reads WordNet, in about a second. Raises WordNetError."""

    def __init__(self, words: WordForms) -> None:
        self._words = words
        self._tagged, self._names = words.tagged(), words.names()
        self._read = lru_cache(maxsize=_MOST_FORMS)(self._reading)

    def of(self, text: str) -> Found:
        """The nouns of a text."""
        nouns: list[str] = []
        num_words = num_english = 0
        before = ""
        for token in _WORD.findall(text.casefold()):
            for word in self._parts(token.translate(_HYPHENS)):
                if word.isdecimal() or not any(map(str.isalnum, word)):
                    before = word
                    continue
                reading = self._look_up(word)
                num_words += 1
                if reading is not None:
                    num_english += 1
                    if reading.is_noun_after(before):
                        nouns.append(reading.noun)
                before = word
        return Found(nouns, num_words, num_english)

    def _parts(self, token: str) -> list[str]:
        """A token as WordNet has it: whole ("t-shirt"), else without 's, else what its hyphens join."""
        if "-" in token and self._look_up(token.removesuffix("'s")) is None:
            return [part.removesuffix("'s") for part in token.split("-")]
        return [token.removesuffix("'s")]

    def _look_up(self, form: str) -> _Reading | None:
        return self._read(form) if len(form) <= _LONGEST else None

    def _reading(self, form: str) -> _Reading | None:
        """None for a word that WordNet does not know and that is in no closed class."""
        if form in _CLOSED:
            return _NO_NOUN
        noun, as_noun = self._noun(form)
        verb, adjective, adverb = (self._expected(form, pos) for pos in "var")
        if not (as_noun or verb or adjective or adverb):
            return _NO_NOUN if self._words.lemmas(form, "n") else None
        if len(form) == 1 or any(map(str.isdigit, form)):
            return _NO_NOUN
        is_participle = form.endswith("ing") and verb > 0 and form not in self._words.lemmas(form, "v")
        return _Reading(noun, as_noun > max(verb, adjective, adverb), as_noun > adjective, is_participle)

    def _noun(self, form: str) -> tuple[str, float]:
        """(lemma, expected count) of a form as a noun. A plural that is a lemma too ("words", "stairs", "jeans") is its
        own where it was tagged more often, or neither was."""
        lemmas = [lemma for lemma in self._words.lemmas(form, "n") if lemma not in self._names]
        if not lemmas:
            return "", 0.0
        tagged = {lemma: self._tagged[lemma, "n"] for lemma in lemmas}
        lemma = max(lemmas, key=lambda lemma: (tagged[lemma], (lemma != form) == bool(tagged[lemma])))
        return lemma, self._count(lemma, "n") * (_SINGULAR if lemma == form else _PLURAL)

    def _expected(self, form: str, pos: str) -> float:
        """Expected count of a form as a verb, adjective or adverb; 0 if it cannot be one."""
        lemmas = self._words.lemmas(form, pos)
        return max((self._count(lemma, pos) * _share(form, lemma, pos) for lemma in lemmas), default=0.0)

    def _count(self, lemma: str, pos: str) -> int:
        """How often a lemma was tagged as this, and once more, so that one that never was counts too."""
        return 1 + self._tagged[lemma, pos]


def _share(form: str, lemma: str, pos: str) -> float:
    """The share of a form in the uses of its lemma."""
    if pos == "r" or (form == lemma and pos == "a"):
        return 1.0
    if pos == "a":
        return _COMPARED
    if form == lemma:
        return _VERB_BASE
    return _VERB_ING if form.endswith("ing") else _VERB_S if form.endswith("s") else _VERB_PAST
