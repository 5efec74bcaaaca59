"""Count the nouns of all texts of datasets, and write the commonest as ALPRO publishes its list.

Memory is bounded but for the counts, which have at most as many nouns as WordNet. No medium is read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shards.base import UsageError
from shards.cli import Dataset, Progress
from shards.dataset import NUM_EXAMPLES, TextError
from tools.entities.nouns import Nouns
from tools.sample_texts import sample_texts
from tools.trust.texts import TEXT_FIELDS

_MOSTLY = 0.5
"""Share of English words below which the texts are taken for another language."""


@dataclass(slots=True)
class NounCounts:
    """The nouns of datasets."""

    nouns: Counter[str] = field(default_factory=Counter)
    """Lemma -> how often it is a noun."""
    num_samples: int = 0
    num_texts: int = 0
    num_words: int = 0
    num_english: int = 0
    """Words that WordNet knows, or leaves out by design."""
    num_unreadable: int = 0
    """Samples that have no text, or one that cannot be read."""
    examples: list[str] = field(default_factory=list)
    """The first of them: "DATASET/SHARD:KEY: REASON"."""

    def commonest(self, count: int) -> list[tuple[str, int]]:
        """The `count` commonest nouns; of equally common ones the first by alphabet. Raises UsageError if there are
        fewer, with what to do."""
        found = sorted(self.nouns.items(), key=lambda item: (-item[1], item[0]))
        if len(found) >= count:
            return found[:count]
        held = f"{self.num_texts:,} texts of {self.num_samples:,} samples hold {len(found):,} nouns"
        if self.is_foreign or not found:
            why = "; nouns are found in English texts only" if self.num_texts else ""
            example = f"; the first without a text that can be read: {self.examples[0]}" if self.examples else ""
            raise UsageError(f"--count {count:,}: {held}{why}{example}; give datasets with English captions")
        raise UsageError(
            f"--count {count:,}: {held}; give more datasets, or --count {len(found)}, and set model.num_entities and "
            f"objectives.entity_prompting.num_entities to {len(found)}"
        )

    @property
    def is_foreign(self) -> bool:
        """True if most words are unknown to WordNet."""
        return self.num_english < _MOSTLY * self.num_words

    def to_dict(self) -> dict[str, Any]:
        """What is printed with --json, but for the list."""
        return {
            "num_samples": self.num_samples,
            "num_unreadable": self.num_unreadable,
            "num_texts": self.num_texts,
            "num_words": self.num_words,
            "num_english": self.num_english,
            "num_nouns": len(self.nouns),
        }


def count_nouns(datasets: Sequence[Dataset], nouns: Nouns, progress: Progress) -> NounCounts:
    """Read the texts of all samples once. Raises SourceError for a shard that is missing or a store that fails."""
    counts = NounCounts()
    for dataset in datasets:
        for shard, key, found in sample_texts(dataset.index):
            counts.num_samples += 1
            progress.advance(1)
            if isinstance(found, TextError):
                counts.num_unreadable += 1
                if len(counts.examples) < NUM_EXAMPLES:
                    counts.examples.append(f"{dataset.name}/{shard}:{key}: {found}")
                continue
            for record in found.records:
                for text in map(record.get, TEXT_FIELDS):
                    if isinstance(text, str):
                        _add(counts, nouns, text)
    return counts


def _add(counts: NounCounts, nouns: Nouns, text: str) -> None:
    found = nouns.of(text)
    counts.nouns.update(found.nouns)
    counts.num_texts += 1
    counts.num_words += found.num_words
    counts.num_english += found.num_english


def write_entities(path: Path, entities: Sequence[tuple[str, int]]) -> None:
    """Write "NOUN COUNT" lines, whole or not at all. Raises OSError."""
    aside = path.with_name(f"{path.name}.part")
    aside.write_text("".join(f"{noun} {count}\n" for noun, count in entities), encoding="utf-8")
    os.replace(aside, path)
