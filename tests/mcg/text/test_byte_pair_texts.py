"""The layout of CLIP and T2VLP: start and end, empty words and slots, what is to be predicted, padding that only masks
tell."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.text.byte_pair_texts import BytePairTexts
from mcg.text.texts import NO_LABEL

TEXTS = BytePairTexts()
START, END, EMPTY = TEXTS.start_id, TEXTS.end_id, TEXTS.empty_id
A_DOG = TEXTS.codec.pieces("a dog")
WORDS = ["man", "guitar!", "skateboarders", "playing", "\u200b", "two", "!"]


def test_every_text_stands_between_start_and_end() -> None:
    kinds = {TEXTS.pair: "text", TEXTS.option: "text", TEXTS.question: "text", TEXTS.answer: "answer"}
    for kind, prefix in kinds.items():
        arrays = kind("A  dog", 30)
        assert arrays[f"{prefix}_ids"].tolist() == [START, *A_DOG, END]
        assert arrays[f"{prefix}_mask"].tolist() == [1, 1, 1, 1]
        assert all(row.dtype == np.int64 for row in arrays.values())
        assert kind("a dog", 3)[f"{prefix}_ids"].tolist() == [START, A_DOG[0], END]
    assert TEXTS.pair("a dog", 30)["text_words"].tolist() == [0, 1, 2, 3]
    assert [len(row) for row in TEXTS.prompt().values()] == [0, 0]
    assert (START, END, EMPTY, TEXTS.size) == (49406, 49407, 49408, 49408)


def test_padding_is_told_from_the_word_with_its_id() -> None:
    arrays = TEXTS.with_slots("!", 6)
    assert arrays["text_ids"].tolist() == [START, 256, END, 0, 0, 0, EMPTY]
    assert arrays["text_mask"].tolist() == [1, 1, 1, 0, 0, 0, 1]
    arrays = TEXTS.pair("!?!?!?!", 30)
    assert arrays["text_mask"].all() and TEXTS.decode(arrays["text_ids"]) == "!?!?!?!"


@pytest.mark.parametrize("num_slots", [1, 3])
def test_slots_stand_at_one_place_whatever_the_question(num_slots: int) -> None:
    for text in ("", "a dog", "what is the man doing", "a dog " * 20):
        plain, asked = TEXTS.question(text, 12), TEXTS.with_slots(text, 12, num_slots)
        length = len(plain["text_ids"])
        assert length <= 12 and asked["text_ids"][:length].tolist() == plain["text_ids"].tolist()
        assert asked["text_ids"][12:].tolist() == [EMPTY] * num_slots
        assert asked["text_mask"].tolist() == [1] * length + [0] * (12 - length) + [1] * num_slots


@given(st.lists(st.sampled_from(WORDS), max_size=20), st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_masked_words_are_empty_and_told_and_nothing_else_is(words: list[str], seed: int, share: float) -> None:
    text = " ".join(words)
    ids = TEXTS.pair(text, 16)["text_ids"]
    arrays = TEXTS.cloze(text, 16, share, np.random.default_rng(seed))
    masked, labels = arrays["masked_ids"], arrays["masked_labels"]
    told = labels != NO_LABEL
    assert told.any() and arrays["masked_mask"].tolist() == [1] * len(ids)
    assert (masked[told] == EMPTY).all() and np.where(told, labels, masked).tolist() == ids.tolist()
    if len(ids) > 2:
        assert not told[0] and not told[-1]


def test_masking_keeps_its_share() -> None:
    labels = TEXTS.cloze("man guitar dog ball " * 20_000, 60_000, 0.15, np.random.default_rng(0))["masked_labels"]
    assert (labels != NO_LABEL).mean() == pytest.approx(0.15, abs=0.005)


def test_labels_of_a_prefix_are_the_words_behind_it() -> None:
    ids = TEXTS.pair("two skateboarders jumping over stairs", 14)["text_ids"]
    for start in range(len(ids) - 1):
        labels = TEXTS.prefix_labels(ids, start)
        assert labels[labels != NO_LABEL].tolist() == ids[start + 1 :].tolist()
        assert labels.tolist() == [NO_LABEL] * start + ids[start + 1 :].tolist() + [NO_LABEL]


def test_a_caption_is_pair_and_answer_and_every_word_is_to_be_written() -> None:
    arrays = TEXTS.caption("a dog", 30, 0.15, np.random.default_rng(0))
    expected = {**TEXTS.pair("a dog", 30), **TEXTS.prompt(), **TEXTS.answer("a dog", 30)}
    assert arrays.pop("prefix_labels").tolist() == [*A_DOG, END, NO_LABEL]
    assert arrays.keys() == expected.keys() and all((arrays[name] == expected[name]).all() for name in expected)


def test_choices_are_padded_to_one_length() -> None:
    arrays = TEXTS.choices(["tap", "strum the string"], 5)
    assert arrays["choice_ids"].shape == (2, 5) and arrays["choice_mask"].sum(1).tolist() == [3, 5]
    assert [TEXTS.decode(row) for row in arrays["choice_ids"]] == ["tap", "strum the string"]
    assert arrays["choice_ids"][0].tolist()[3:] == [TEXTS.pad_id] * 2
    assert TEXTS.choices([], 5)["choice_ids"].shape == (0, 5)


@pytest.mark.parametrize("text", ["", " ", "\x01\x02", "&nbsp;"])
def test_a_text_of_which_nothing_is_left_is_no_answer(text: str) -> None:
    assert TEXTS.misfit(text, 5) == "has 0 word pieces, 1 to 3 fit task.max_answer_tokens"
    with pytest.raises(ValueError, match=r"^choice '.*' has 0 word pieces, 1 to 3 fit task\.max_answer_tokens"):
        TEXTS.check_choices(["dog", text], 5)
    assert TEXTS.cloze(text, 5, 0.15, np.random.default_rng(0))["masked_labels"].tolist() == [NO_LABEL, END]


def test_the_vocabulary_is_that_of_the_config() -> None:
    texts = BytePairTexts.of(SimpleNamespace(vocabulary=str(TEXTS.file)))
    assert (texts.file, texts.fingerprint, texts.size) == (TEXTS.file, TEXTS.fingerprint, 49408)
    with pytest.raises(FileNotFoundError, match=r"nowhere: no merges of byte pairs there; model\.vocabulary must name"):
        BytePairTexts.of(SimpleNamespace(vocabulary="nowhere"))


def test_texts_need_no_torch() -> None:
    script = "import sys; from mcg.text.byte_pair_texts import BytePairTexts; BytePairTexts().pair('a dog', 9)\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "print('torch' in sys.modules, 'open_clip' in sys.modules)"],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert (done.stdout.strip(), done.stderr) == ("False False", "")
