"""One choice of medium and texts, the same for a single sample and for the columns of an index."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.dataset.members.choice import Chosen, MemberError, choose, chosen_members, find_members, notes_on
from shards.dataset.members.rules import UNWRITTEN, MemberRules

RULES = MemberRules()


@pytest.mark.parametrize(
    ("extensions", "rules", "chosen"),
    [
        (["cls", "json", "mp4", "jpg", "txt", "json"], RULES, Chosen(2, 1, 4)),
        (["jpg", "txt"], RULES, Chosen(0, None, 1)),
        (["jpg", "mp4", "txt"], RULES, Chosen(1, None, 2)),
        (["gif", "zip", "webm", "txt"], RULES, Chosen(2, None, 3)),
        (["jpg", "zip", "json"], RULES, Chosen(1, 2, None)),
        (["jpg", "mp4", "txt"], UNWRITTEN, Chosen(0, None, 2)),
        (["jpg", "mp4", "txt"], MemberRules(media="image,video"), Chosen(0, None, 2)),
        (["jpg", "mp4", "png", "txt"], MemberRules(media="png"), Chosen(2, None, 3)),
        (
            ["mask.png", "input.jpg", "outputs.txt"],
            MemberRules(media=".INPUT.jpg", text_members="outputs.txt"),
            Chosen(1, None, 2),
        ),
        (["jpg", "txt", "caption.txt", "json"], MemberRules(text_members="caption.txt,txt"), Chosen(0, None, 2)),
        (["jpg", "a.json", "text"], MemberRules(text_members="a.json,text"), Chosen(0, 1, 2)),
    ],
)
def test_the_best_medium_and_texts_are_chosen_whatever_lies_around(
    extensions: list[str], rules: MemberRules, chosen: Chosen
) -> None:
    assert choose(extensions, rules) == chosen


names = st.sampled_from(["mp4", "jpg", "zip", "input.jpg", "json", "txt", "a.json", "cls", "png"])
some_rules = st.builds(
    MemberRules,
    media=st.lists(st.sampled_from(["video", "image", "any", "input.jpg", "png"]), min_size=1, max_size=3).map(tuple),
    text_members=st.lists(st.sampled_from(["json", "txt", "a.json", "cls"]), min_size=1, max_size=3).map(tuple),
)


def best(sample: list[str], ranks: Mapping[str, int]) -> int | None:
    """The rule in its simplest form: of the lowest rank the first."""
    fitting = [number for number, ext in enumerate(sample) if ext in ranks]
    return min(fitting, key=lambda number: ranks[sample[number]]) if fitting else None


@given(st.lists(st.lists(names, max_size=6), max_size=8), some_rules)
def test_columns_give_what_single_samples_give(samples: list[list[str]], rules: MemberRules) -> None:
    all_names = sorted({ext for sample in samples for ext in sample})
    codes = np.array([all_names.index(ext) for sample in samples for ext in sample], np.int64)
    starts = np.concatenate([[0], np.cumsum([len(sample) for sample in samples])]).astype(np.int64)
    found = chosen_members(all_names, codes, starts, rules).tolist()
    for number, sample in enumerate(samples):
        places = [None if row[number] < 0 else row[number] - int(starts[number]) for row in found]
        assert places == list(find_members(sample, rules)) == [best(sample, ranks) for ranks in rules.ranks]
        try:
            assert list(choose(sample, rules)) == places
        except MemberError:
            assert places[0] is None or places[1:] == [None, None]


def test_a_sample_of_many_members_is_no_exception() -> None:
    many = [f"{number}.cls" for number in range(40)]
    assert choose([*many, "json", "mp4"], RULES) == Chosen(41, 40, None)


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        (["jpg"], "needs a medium and a json or txt, has jpg; put the rest beside it"),
        ([], "has nothing"),
        (["left.jpg", "json"], "has left.jpg, json; name what is there: --media-members left.jpg"),
        (["jpg", "caption.txt"], "--text-members caption.txt"),
        (["jpg", "cls", "srt"], "name what is there: --text-members cls,srt"),
        (["input.jpg", "outputs.txt"], "--media-members input.jpg --text-members outputs.txt"),
        (["0_10.5.mp4", "0_10.5.txt"], "--key-until last_dot"),
        (["0_1.5.mp4", "0_1.5.json", "0_3.5.mp4", "0_3.5.json"], "--key-until last_dot"),
    ],
)
def test_the_reason_says_which_setting_helps(extensions: list[str], reason: str) -> None:
    with pytest.raises(MemberError, match="needs a medium") as raised:
        choose(extensions, RULES)
    assert reason in str(raised.value)


def notes(*extensions: str, rules: MemberRules = RULES) -> list[str]:
    return list(notes_on(extensions, choose(extensions, rules), rules))


def test_what_was_passed_over_is_said() -> None:
    [note] = notes("jpg", "mp4", "txt")
    assert note.startswith("video taken, image beside it left alone")
    assert notes("jpg", "png", "txt") == notes("jpg", "json", "txt", "cls") == []
    [note] = notes("jpg", "txt", "5.jpg", "5.txt")  # 0.jpg 0.txt 0.5.jpg 0.5.txt
    assert note.endswith("--key-until last_dot")
    assert not notes("jpg", "txt", "left.jpg", "right.txt")
    assert not notes("jpg", "txt", "5.jpg", "5.txt", rules=MemberRules(key_until="last_dot"))
