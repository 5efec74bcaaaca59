"""The layout of BERT: special tokens of each kind of text, masked words with their labels, padded choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.text.layouts import Bert
from mcg.text.texts import NO_LABEL

TEXTS = Bert()
CODEC = TEXTS.codec
WORDS = ["man", "guitar", "skateboarders", "playing", "\u200b", "two", "dogs"]


def test_each_kind_of_text_has_its_special_tokens() -> None:
    first = {"pair": CODEC.cls, "question": CODEC.enc, "answer": CODEC.dec}
    for name, start in first.items():
        arrays = getattr(TEXTS, name)("what is the man doing", 40)
        ids, mask = (next(a for key, a in arrays.items() if key.endswith(end)) for end in ("_ids", "_mask"))
        assert ids[0] == start and ids[-1] == CODEC.sep and TEXTS.decode(ids) == "what is the man doing"
        assert mask.tolist() == [1] * 7 and ids.dtype == mask.dtype == np.int64
        cut = getattr(TEXTS, name)("what is the man doing", 4)
        assert TEXTS.decode(next(iter(cut.values()))) == "what is"
    assert TEXTS.prompt()["prompt_ids"].tolist() == [CODEC.enc, CODEC.sep]
    assert (TEXTS.start_id, TEXTS.end_id, TEXTS.pad_id) == (CODEC.dec, CODEC.sep, CODEC.pad)


def test_choices_are_padded_to_one_length() -> None:
    arrays = TEXTS.choices(["tap", "strum the string"], 6)
    assert arrays["choice_ids"].shape == (2, 6) and arrays["choice_mask"].sum(1).tolist() == [3, 6]
    assert [TEXTS.decode(row) for row in arrays["choice_ids"]] == ["tap", "strum the string"]


@given(st.lists(st.sampled_from(WORDS), max_size=20), st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_masking_spares_specials_and_always_leaves_a_target(words: list[str], seed: int, share: float) -> None:
    text = " ".join(words)
    ids = TEXTS.pair(text, 30)["text_ids"]
    arrays = TEXTS.cloze(text, 30, share, np.random.default_rng(seed))
    masked, labels = arrays["masked_ids"], arrays["masked_labels"]
    targets = labels != NO_LABEL
    assert targets.any() and len(masked) == len(ids)
    assert (labels[targets] == ids[targets]).all() and (masked == ids)[~targets].all()
    special = np.array([int(i) in CODEC.special for i in ids])
    if not special.all():
        assert not (targets & special).any()
    assert masked.min() >= 0 and masked.max() < CODEC.size


def test_a_text_without_a_word_has_its_end_to_predict() -> None:
    arrays = TEXTS.cloze("\u200b", 30, 0.5, np.random.default_rng(0))
    assert arrays["masked_labels"].tolist() == [NO_LABEL, CODEC.sep]


def test_masking_keeps_its_shares() -> None:
    text = " ".join(["man", "guitar", "dog", "ball"] * 20_000)
    ids = TEXTS.pair(text, 100_000)["text_ids"]
    arrays = TEXTS.cloze(text, 100_000, 0.15, np.random.default_rng(0))
    masked, targets = arrays["masked_ids"], arrays["masked_labels"] != NO_LABEL
    assert targets.mean() == pytest.approx(0.15, abs=0.004)
    assert (masked[targets] == CODEC.mask).mean() == pytest.approx(0.8, abs=0.01)
    assert (masked == ids)[targets].mean() == pytest.approx(0.1, abs=0.01)


def test_a_caption_is_learned_as_an_answer_to_the_prompt() -> None:
    found = TEXTS.caption("a dog runs", 30, 0.15, np.random.default_rng(0))
    expected = {**TEXTS.prompt(), **TEXTS.answer("a dog runs", 30)}
    assert found.keys() == expected.keys() and all((found[name] == expected[name]).all() for name in expected)
