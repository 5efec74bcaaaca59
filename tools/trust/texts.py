"""Figures of the texts of a dataset: how long, how many words, how often the same; and what looks wrong in them.

Promises: a text is counted once for each record that has it; memory is bounded (the commonest 65,536 texts, 2**20 words
and 8 bytes a text). The hints do not know languages: they are signs, and examples say where to look.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xxhash

from shards.cli import Distribution, Names

TEXT_FIELDS = ("caption", "question", "answer")
"""Fields of a record that hold a text."""
VERY_LONG = 2000
"""Characters of a text that is called very long: a paragraph of ActivityNet Captions has up to 1,100."""
_MOST_WORDS = 1 << 20
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_MOJIBAKE = re.compile(
    "\ufffd|[ÃÂ][\u0080-\u00bf]|â[\u0080-\u009f€][\u0080-\u00bf™œ˜“”¦]?|ï¿½|&(?:amp|quot|#\\d{2,5});"
)
"""Marks of UTF-8 that was read as Latin-1 or Windows-1252, of lost characters, and of HTML that was not unescaped."""
_EXAMPLES = 5
HINTS = ("empty", "very long", "mojibake")
"""What a text is counted as besides; "unreadable" is counted by sample."""


class TextFigures:
    """Figures of the texts of one dataset, filled sample by sample."""

    def __init__(self) -> None:
        self.fields: dict[str, _Field] = {}
        self.types = Names()
        """Values of the field "type" of records: kinds of question."""
        self.num_samples = 0
        self.records_per_sample = Distribution()
        self.unreadable = 0
        """Samples whose text members cannot be read: damaged, no json, no UTF-8."""
        self.examples: dict[str, list[str]] = {}
        """Hint -> "KEY: TEXT" of the first of them."""
        self._words: set[int] = set()
        self.vocabulary_is_cut = False

    @property
    def vocabulary(self) -> int:
        """Different words of all texts, in small letters; at most 2**20 are told apart."""
        return len(self._words)

    def refuse(self, key: str, reason: str) -> None:
        """Count a sample whose texts cannot be read."""
        self.num_samples += 1
        self.unreadable += 1
        self._example("unreadable", f"{key}: {reason}")

    def add(self, key: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Count the records of a sample."""
        self.num_samples += 1
        count = 0
        for record in records:
            count += 1
            for name in TEXT_FIELDS:
                if isinstance(text := record.get(name), str):
                    self._add_text(key, name, text)
            if record.get("type") is not None:
                self.types.add([str(record["type"])[:80]], [1])
        self.records_per_sample.add(np.array([count]))

    def _add_text(self, key: str, name: str, text: str) -> None:
        words = _WORD.findall(text.casefold())
        self.fields.setdefault(name, _Field()).add(text, len(words))
        if len(self._words) < _MOST_WORDS:
            self._words.update(map(hash, words))
        else:
            self.vocabulary_is_cut = True
        for hint, found in (
            ("empty", not text.strip()),
            ("very long", len(text) > VERY_LONG),
            ("mojibake", ("&" in text or not text.isascii()) and _MOJIBAKE.search(text)),
        ):
            if found:
                self.fields[name].hints[hint] += 1
                self._example(hint, f"{key}: {text[:120]}")

    def _example(self, hint: str, text: str) -> None:
        told = self.examples.setdefault(hint, [])
        if len(told) < _EXAMPLES:
            told.append(text)

    def to_dict(self) -> dict[str, Any]:
        """All figures."""
        return {
            "num_samples": self.num_samples,
            "unreadable": self.unreadable,
            "records_per_sample": self.records_per_sample.to_dict(),
            "vocabulary": self.vocabulary,
            "vocabulary_is_cut": self.vocabulary_is_cut,
            "types": self.types.to_dict(),
            "fields": {name: field.to_dict() for name, field in self.fields.items()},
            "examples": self.examples,
        }


class _Field:
    """Figures of the texts of one field."""

    def __init__(self) -> None:
        self.characters, self.words = Distribution(), Distribution()
        self.hints: Counter[str] = Counter()
        self.commonest = Names()
        self._hashes = array("Q")
        self._lengths: list[tuple[int, int]] = []

    def add(self, text: str, num_words: int) -> None:
        self._lengths.append((len(text), num_words))
        if len(self._lengths) == 4096:
            self._settle()
        self.commonest.add([text], [1])
        self._hashes.append(xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")))

    def _settle(self) -> None:
        if self._lengths:
            characters, words = np.array(self._lengths).T
            self.characters.add(characters)
            self.words.add(words)
            self._lengths = []

    @property
    def count(self) -> int:
        return len(self._hashes)

    def settled(self) -> _Field:
        """Itself, with every text in its distributions."""
        self._settle()
        return self

    def to_dict(self) -> dict[str, Any]:
        self._settle()
        different = len(np.unique(np.frombuffer(self._hashes, np.uint64)))
        ((text, most),) = self.commonest.commonest(1)
        return {
            "count": self.count,
            "different": different,
            "repeated": self.count - different,
            "most_frequent": {"text": text[:200], "count": most, "share": round(most / self.count, 6)},
            "characters": self.characters.to_dict(),
            "words": self.words.to_dict(),
            **{hint.replace(" ", "_"): self.hints[hint] for hint in HINTS},
        }
