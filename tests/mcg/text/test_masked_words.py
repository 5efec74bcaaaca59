"""LAVENDER's layout: where [MASK] stands in every kind of text, what is to be predicted, what stands before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.text.masked_words import MaskedWords, Place, Prefix
from mcg.text.texts import NO_LABEL

PLAIN = MaskedWords()
CODEC = PLAIN.codec
CLS, SEP, MASK, PAD = CODEC.cls, CODEC.sep, CODEC.mask, CODEC.pad
A_DOG = CODEC.pieces("a dog")
PREFIXES: tuple[Prefix, ...] = ("none", "instruction", "task_token")
PLACES: tuple[Place, ...] = ("end", "start", "tenth", "first")
BY_SETTINGS = {(place, prefix): MaskedWords(None, place, prefix) for place in PLACES for prefix in PREFIXES}


def test_a_pair_is_padded_to_its_length_and_ends_in_the_mask() -> None:
    arrays = PLAIN.pair("a dog", 8)
    assert arrays["text_ids"].tolist() == [CLS, *A_DOG, SEP, PAD, PAD, PAD, PAD, MASK]
    assert arrays["text_mask"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 1]
    assert PLAIN.pair("a dog " * 20, 8)["text_ids"].tolist()[-2:] == [SEP, MASK]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("start", [MASK, CLS, *A_DOG, SEP, *[PAD] * 8]),
        ("tenth", [CLS, *A_DOG, SEP, *[PAD] * 6, MASK, PAD, PAD]),
        ("first", [MASK, *A_DOG, SEP, *[PAD] * 8]),
    ],
)
def test_the_mask_of_matching_can_stand_elsewhere(place: Place, expected: list[int]) -> None:
    arrays = BY_SETTINGS[place, "none"].pair("a dog", 12)
    assert arrays["text_ids"].tolist() == expected
    assert arrays["text_mask"].tolist() == [int(i != PAD) for i in expected]


@given(st.sampled_from(PREFIXES), st.sampled_from(["a dog", "two dogs run over the grass", ""]), st.integers(0, 99))
def test_any_token_of_a_caption_may_be_masked_but_of_what_stands_before_none(
    prefix: Prefix, text: str, seed: int
) -> None:
    texts = BY_SETTINGS["end", prefix]
    arrays = texts.caption(text, 12, 0.3, np.random.default_rng(seed))
    masked, labels, before = arrays["masked_ids"], arrays["masked_labels"], texts.prompt()["prompt_ids"]
    chosen = labels != NO_LABEL
    assert chosen.any() and (masked[chosen] == MASK).all() and (arrays["masked_mask"] == 1).all()
    told = np.where(chosen, labels, masked).tolist()
    assert told == [*before, CLS, *CODEC.pieces(text)[:10], SEP] and not chosen[: len(before)].any()


def test_each_token_of_a_caption_is_masked_with_its_share() -> None:
    length, count = 2 + len(A_DOG) * 4, 2000
    chosen = np.zeros(length)
    for seed in range(count):
        chosen += PLAIN.caption("a dog " * 4, 50, 0.15, np.random.default_rng(seed))["masked_labels"] != NO_LABEL
    expected = 0.15 + 0.85**length / length  # at least one
    assert np.abs(chosen / count - expected).max() < 4 * (0.15 * 0.85 / count) ** 0.5


def test_questions_end_in_their_answer_and_are_cut_before_it() -> None:
    ids = PLAIN.question("a dog?", 10)["text_ids"].tolist()
    assert ids == [CLS, *CODEC.pieces("a dog?"), *CODEC.pieces("answer :"), MASK, SEP]
    long = PLAIN.question("a dog " * 20, 10)["text_ids"].tolist()
    assert len(long) == 14 and long[-4:] == [*CODEC.pieces("answer :"), MASK, SEP]


def test_what_is_cut_is_told_and_the_mask_stays() -> None:
    for text, fits in (("a dog " * 3, 7), ("a dog _____ a dog", 7), ("_____ a dog", 5), ("a dog _____", 5)):
        for max_tokens in (fits - 1, fits):
            ids = PLAIN.question(text, max_tokens)["text_ids"].tolist()
            assert ids.count(MASK) == 1 and PLAIN.cuts(text, max_tokens) == (max_tokens < fits)


@pytest.mark.parametrize("text", ["a [MASK] and a [MASK]", "a _____ and a _____", "_____ and [MASK]"])
def test_a_sentence_with_two_blanks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^one blank is answered at a time, found several in '"):
        PLAIN.question(text, 20)


@pytest.mark.parametrize("blank", ["[MASK]", "_____"])
def test_the_blank_of_a_sentence_is_the_mask(blank: str) -> None:
    arrays = PLAIN.question(f"a {blank} barks.", 12)
    assert arrays["text_ids"].tolist() == [CLS, A_DOG[0], MASK, *CODEC.pieces("barks."), SEP]


def test_an_instruction_or_a_task_token_stands_before() -> None:
    instructed, token = BY_SETTINGS["end", "instruction"], BY_SETTINGS["end", "task_token"]
    sentence = [CLS, *CODEC.pieces("answer the question about the video."), SEP]
    plain = PLAIN.question("a dog?", 10)["text_ids"].tolist()
    assert instructed.question("a dog?", 10)["text_ids"].tolist() == [*sentence, *plain]
    assert token.question("a dog?", 10)["text_ids"].tolist() == [30522 + 2, *plain]
    blank = instructed.question("a [MASK]", 10)["text_ids"].tolist()
    assert CODEC.pieces("fill in the mask to complete the sentence.") == blank[1:10]
    assert token.pair("a dog", 8)["text_ids"][0] == 30522 and token.prompt()["prompt_ids"].tolist() == [30522 + 3]


@given(
    st.lists(st.sampled_from(["man", "guitar", "skateboarders", "\u200b", "dogs"]), max_size=20),
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 0.99),
    st.sampled_from(PLACES),
    st.sampled_from(PREFIXES),
)
def test_masked_words_are_masked_and_told_and_nothing_else_is(
    words: list[str], seed: int, share: float, place: Place, prefix: Prefix
) -> None:
    texts, text = BY_SETTINGS[place, prefix], " ".join(words)
    arrays = texts.cloze(text, 16, share, np.random.default_rng(seed))
    ids, mask, labels = arrays["masked_ids"], arrays["masked_mask"], arrays["masked_labels"]
    told = labels != NO_LABEL
    assert ids.shape == mask.shape == labels.shape and told.any()
    assert (ids[told] == MASK).all() and mask[told].all()
    plain = texts.pair(text, 16)["text_ids"]
    length = 16 + (place != "first")
    whole, hidden = plain[-length:], ids[-length:]  # the prefixes of the two differ
    at = told[-length:]
    assert (hidden[~at] == whole[~at]).all() and (labels[-length:][at] == whole[at]).all()
    if any(CODEC.pieces(word) for word in words):
        assert not np.isin(labels[told], [CLS, SEP, PAD, MASK]).any()


def test_a_caption_keeps_start_and_end() -> None:
    arrays = PLAIN.answer("a dog", 8)
    assert arrays["answer_ids"].tolist() == [CLS, *A_DOG, SEP] and PLAIN.decode(arrays["answer_ids"]) == "a dog"
    assert (PLAIN.start_id, PLAIN.end_id, PLAIN.size) == (CLS, SEP, 30522)


def test_a_vocabulary_without_its_words_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "vocab.txt"
    file.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntrue\n")
    with pytest.raises(ValueError, match=r"vocab\.txt: 'false' is no word piece there.*model\.vocabulary"):
        MaskedWords(str(file))


def test_texts_of_heads_by_task_have_no_mask_but_in_blanks() -> None:
    texts = MaskedWords(heads="task")
    assert texts.pair("a dog", 8)["text_ids"].tolist() == texts.option("a dog", 8)["text_ids"].tolist()
    assert texts.pair("a dog", 8)["text_ids"].tolist() == [CLS, *A_DOG, SEP]
    assert texts.question("a dog?", 10)["text_ids"].tolist() == [CLS, *CODEC.pieces("a dog?"), SEP]
    assert texts.question("a ___ dog", 10)["text_ids"].tolist() == PLAIN.question("a ___ dog", 10)["text_ids"].tolist()
    ids = texts.options("a dog?", ["red", "two"], 30)["text_ids"]
    assert ids.tolist() == [i for i in PLAIN.options("a dog?", ["red", "two"], 30)["text_ids"].tolist() if i != MASK]
    cloze = texts.cloze("a dog runs", 8, 0.5, np.random.default_rng(0))
    assert len(cloze["masked_ids"]) == len(cloze["masked_labels"]) == 5
    assert ((cloze["masked_ids"] == MASK) == (cloze["masked_labels"] != NO_LABEL)).all()


def test_both_kinds_of_heads_read_the_same_words_of_a_long_text() -> None:
    texts, words = MaskedWords(heads="task"), "a dog runs " * 20
    assert texts.question(words, 10)["text_ids"].tolist()[:10] == PLAIN.question(words, 10)["text_ids"].tolist()[:10]
    assert texts.pair(words, 8)["text_ids"].tolist() == PLAIN.pair(words, 8)["text_ids"].tolist()[:8]
    with pytest.raises(ValueError, match=r"19 fit task\.max_question_tokens"):
        texts.options(words, ["red", "two"], 20)


def test_captions_are_the_same_for_both_kinds_of_heads() -> None:
    one, many = (
        words.caption("a dog runs", 9, 0.5, np.random.default_rng(0)) for words in (PLAIN, MaskedWords(heads="task"))
    )
    assert {name: row.tolist() for name, row in one.items()} == {name: row.tolist() for name, row in many.items()}
