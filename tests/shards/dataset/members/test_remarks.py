"""What is said about members that lack or are left alone names the option that helps."""

from __future__ import annotations

import pytest

from shards.dataset.members.choice import MemberError, choose, notes_on
from shards.dataset.members.rules import MemberRules

RULES = MemberRules()


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
