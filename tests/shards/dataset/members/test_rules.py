"""Rules of members: how a name is cut, which settings are refused, and what a config may change."""

from __future__ import annotations

import pytest

from shards.base.errors import ConfigError
from shards.dataset.members.rules import MemberRules, MemberSettings

RULES = MemberRules()


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
