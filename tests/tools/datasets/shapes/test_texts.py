"""What the texts of shapes promise: choices that differ in one fact, blanks that one word fills, all by address."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.datasets.shapes import COLORS, DIRECTIONS, KINDS, NUMBERS, OPPOSITE, SHAPES, SPLITS, Scene
from tools.datasets.shapes.texts import TEXTS, text_records

NUMBERED = st.integers(0, 10_000)
SEEDS = st.integers(0, 2**31)
FACTS = {"color": set(COLORS), "shape": set(SHAPES), "direction": set(DIRECTIONS)}


def texts(text: str, number: int, seed: int = 0, split: str = "train") -> tuple[Scene, tuple[dict[str, Any], ...]]:
    scene = Scene.draw(seed, split, text, number)
    return scene, text_records(scene, seed, split, text, number)


def choice(number: int, seed: int = 0) -> tuple[Scene, list[str], str]:
    """A scene, its four wrong captions, the right one."""
    scene, (record,) = texts("choices", number, seed)
    wrong = [text for place, text in enumerate(record["choices"]) if place != record["answer_index"]]
    return scene, wrong, record["choices"][record["answer_index"]]


def changed(caption: str, other: str) -> list[tuple[str, str, str]]:
    """(fact, word, other word) of the words that differ."""
    pairs = zip(caption.split(), other.split(), strict=True)
    return [
        (next(fact for fact, words in FACTS.items() if a in words and b in words), a, b) for a, b in pairs if a != b
    ]


def turned(scene: Scene) -> str:
    return f"a {scene.facts['last']} moves first and a {scene.facts['first']} moves last"


@given(number=NUMBERED, seed=SEEDS)
def test_four_captions_differ_from_the_right_one_in_exactly_one_fact(number: int, seed: int) -> None:
    scene, wrong, right = choice(number, seed)
    assert right == scene.caption and len({right, *wrong}) == 5
    for caption in wrong:
        if scene.facts["kind"] == "order" and caption == turned(scene):
            continue
        assert len(changed(right, caption)) == 1


@given(number=NUMBERED, seed=SEEDS)
def test_a_move_is_offered_the_opposite_way_and_an_order_the_turns_swapped(number: int, seed: int) -> None:
    scene, wrong, right = choice(number, seed)
    if scene.facts["kind"] == "move":
        way = scene.facts["direction"]
        assert right.replace(f"moves {way}", f"moves {OPPOSITE[way]}") in wrong
    if scene.facts["kind"] == "order":
        assert wrong.count(turned(scene)) == 1


@given(number=NUMBERED, seed=SEEDS)
def test_captions_are_of_one_kind_and_could_all_be_true(number: int, seed: int) -> None:
    scene, wrong, right = choice(number, seed)
    for caption in wrong:
        words = caption.split()
        if scene.facts["kind"] == "count":
            assert words[0] == right.split()[0] == NUMBERS[len(scene.figures) - 1]
        if scene.facts["kind"] == "order":  # such a clip has two colours and two shapes
            assert len(FACTS["color"].intersection(words)) == 2 == len(FACTS["shape"].intersection(words))


@given(number=NUMBERED, seed=SEEDS)
def test_four_of_the_five_differ_in_a_single_word_so_that_none_of_them_is_the_odd_one(number: int, seed: int) -> None:
    scene, wrong, right = choice(number, seed)
    alike = [{place for place, word in enumerate(c.split()) if word != right.split()[place]} for c in wrong]
    common = max(Counter(map(tuple, alike)).values())
    assert common == (4 if scene.facts["kind"] == "count" else 3)


@given(first=st.integers(0, 200), count=st.integers(1, 60))
def test_the_place_of_the_answer_is_dealt_evenly_in_all_clips_and_in_each_kind(first: int, count: int) -> None:
    places: dict[str, Counter[int]] = {kind: Counter(dict.fromkeys(range(5), 0)) for kind in ("all", *KINDS)}
    for number in range(first, first + count):
        scene, (record,) = texts("choices", number)
        for kind in ("all", scene.facts["kind"]):
            places[kind][record["answer_index"]] += 1
    for kind, found in places.items():
        assert max(found.values()) - min(found.values()) <= 1, (kind, found)


def test_every_fact_of_a_move_is_asked_for_and_wrong_captions_come_in_any_order() -> None:
    facts: Counter[str] = Counter()
    places: Counter[int] = Counter()
    for number in range(0, 900, 3):
        scene, wrong, right = choice(number)
        facts.update(fact for caption in wrong for fact, _, _ in changed(right, caption))
        way = scene.facts["direction"]
        places[wrong.index(right.replace(f"moves {way}", f"moves {OPPOSITE[way]}"))] += 1
    assert set(facts) == set(FACTS) and min(facts.values()) > 200
    assert set(places) == set(range(4)) and min(places.values()) > 45


@given(number=NUMBERED, seed=SEEDS)
def test_a_blank_is_a_colour_a_shape_or_a_direction_and_its_answer_fills_it(number: int, seed: int) -> None:
    scene, records = texts("blanks", number, seed)
    told = [fact for fact, words in FACTS.items() if words.intersection(scene.caption.split())]
    assert [record["type"] for record in records] == told
    for record in records:
        assert record["question"].split().count("_____") == 1
        assert record["answer"] in FACTS[record["type"]]
        assert record["question"].replace("_____", record["answer"]) == scene.caption


def test_always_giving_the_commonest_word_fills_less_than_a_third_of_each_fact() -> None:
    by_type: dict[str, Counter[str]] = {}
    for number in range(900):
        for record in texts("blanks", number)[1]:
            by_type.setdefault(record["type"], Counter())[record["answer"]] += 1
    for fact, answers in by_type.items():
        assert set(answers) == FACTS[fact]
        assert max(answers.values()) / sum(answers.values()) < 0.3, (fact, answers)


@given(text=st.sampled_from(TEXTS), split=st.sampled_from(SPLITS), number=NUMBERED, seed=SEEDS)
def test_an_address_has_the_same_texts_always(text: str, split: str, number: int, seed: int) -> None:
    assert texts(text, number, seed, split)[1] == texts(text, number, seed, split)[1]


@pytest.mark.parametrize("text", TEXTS)
def test_other_seeds_and_splits_have_other_texts_and_every_record_its_own_id(text: str) -> None:
    sets = [
        [record for number in range(30) for record in texts(text, number, seed, split)[1]]
        for seed, split in [(0, "train"), (1, "train"), (0, "test")]
    ]
    said = [[{**record, "id": ""} for record in records] for records in sets]
    assert all(a != b for a, b in pairwise(said))
    ids = [record["id"] for record in sets[0] if "id" in record]
    assert len(set(ids)) == len(ids) and (text == "captions") == (not ids)
