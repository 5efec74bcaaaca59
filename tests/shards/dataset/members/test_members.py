"""One choice of medium and texts, by rules that can be named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import ConfigError
from shards.dataset.members.members import (
    UNWRITTEN,
    Chosen,
    MemberError,
    MemberRules,
    MemberSettings,
    choose,
    choose_and_note,
    first_members,
    roles,
)

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


names = st.sampled_from(["mp4", "jpg", "zip", "input.jpg", "json", "txt", "a.json", "cls", "png"])
some_rules = st.builds(
    MemberRules,
    media=st.lists(st.sampled_from(["video", "image", "any", "input.jpg", "png"]), min_size=1, max_size=3).map(tuple),
    text_members=st.lists(st.sampled_from(["json", "txt", "a.json", "cls"]), min_size=1, max_size=3).map(tuple),
)


@given(st.lists(st.lists(names, max_size=6), max_size=8), some_rules)
def test_columns_give_what_single_samples_give(samples: list[list[str]], rules: MemberRules) -> None:
    all_names = sorted({ext for sample in samples for ext in sample})
    codes = np.array([all_names.index(ext) for sample in samples for ext in sample], np.int64)
    starts = np.concatenate([[0], np.cumsum([len(sample) for sample in samples])]).astype(np.int64)
    found = [first_members(all_names, codes, starts, ranks).tolist() for ranks in rules.ranks]
    for number, sample in enumerate(samples):
        places = [None if row[number] < 0 else row[number] - int(starts[number]) for row in found]
        expected = {role: at for at, role in enumerate(roles(sample, rules)) if role is not None}
        assert places == [expected.get("media"), expected.get("json"), expected.get("txt")]
        try:
            assert list(choose(sample, rules)) == places
        except MemberError:
            assert places[0] is None or places[1:] == [None, None]


@pytest.mark.parametrize(
    ("rules", "name", "expected"),
    [
        (RULES, "a/b.left.JPG", ("a/b", "left.jpg")),
        (RULES, "abc_0.0_10.5.mp4", ("abc_0", "0_10.5.mp4")),
        (MemberRules(key_until="last_dot"), "abc_0.0_10.5.mp4", ("abc_0.0_10.5", "mp4")),
        (MemberRules(key_from="name"), "images/0.jpg", ("0", "jpg")),
        (MemberRules(key_from="name", key_until="last_dot"), "./x/y/0.5.TXT", ("0.5", "txt")),
        (RULES, "README", None),
        (RULES, "__meta__.json", None),
        (MemberRules(key_until="last_dot"), "._0.jpg", None),
        (MemberRules(key_until="last_dot"), "d/.hidden.a.jpg", None),
    ],
)
def test_a_name_is_cut_into_key_and_extension(rules: MemberRules, name: str, expected: tuple[str, str] | None) -> None:
    assert rules.split(name) == expected


def notes(*extensions: str, rules: MemberRules = RULES) -> list[str]:
    assert choose_and_note(extensions, rules) == choose_and_note(extensions, rules)
    return choose_and_note(extensions, rules).notes


def test_what_was_passed_over_is_said() -> None:
    [note] = notes("jpg", "mp4", "txt")
    assert note.startswith("video taken, image beside it left alone")
    assert notes("jpg", "png", "txt") == notes("jpg", "json", "txt", "cls") == []
    [note] = notes("jpg", "txt", "5.jpg", "5.txt")  # 0.jpg 0.txt 0.5.jpg 0.5.txt
    assert note.endswith("--key-until last_dot")
    assert not notes("jpg", "txt", "left.jpg", "right.txt")
    assert not notes("jpg", "txt", "5.jpg", "5.txt", rules=MemberRules(key_until="last_dot"))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"media": "txt"}, "media: 'txt' is neither video, frames, image, any nor the name of a medium"),
        ({"media": ""}, "media: names no member"),
        ({"text_members": "a.jpg"}, "text_members: 'a.jpg' is a medium"),
        ({"text_members": []}, "text_members: names no member"),
        ({"key_until": "dot"}, "key_until: "),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        MemberSettings(**settings)
    with pytest.raises(ConfigError, match=reason):
        MemberRules(**settings)


def test_a_config_changes_the_text_and_is_told_the_command_for_what_is_fixed() -> None:
    assert RULES.with_settings(MemberSettings(), "x") == RULES
    changed = RULES.with_settings(MemberSettings(text_field="alt", media="video,frames,image"), "x")
    assert changed.text_field == ("alt",) and changed.media == RULES.media
    with pytest.raises(
        ConfigError, match=r"key_until: .*first_dot, the config says last_dot; .*cannot change"
    ) as raised:
        RULES.with_settings(MemberSettings(key_until="last_dot", text_field="alt text"), "/my data")
    command = "python -m shards index '/my data' --text-field 'alt text' --key-until last_dot"
    assert command in str(raised.value)
