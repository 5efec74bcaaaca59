"""Options become the rules that `shards index` has for them."""

from __future__ import annotations

import pytest

from shards.dataset import MemberRules
from tools.containers.samples.rules import member_rules, tar_in_key
from tools.rows import OptionError


def test_options_that_are_not_given_leave_the_defaults() -> None:
    assert member_rules(None, None, None, None, None) == MemberRules()
    assert member_rules("image,mp4", "txt", "a.b,c", "last_dot", "name") == MemberRules(
        media=("image", "mp4"), text_members=("txt",), text_field=("a.b", "c"), key_until="last_dot", key_from="name"
    )


def test_a_wrong_option_is_named() -> None:
    assert tar_in_key("tar") and not tar_in_key(None)
    with pytest.raises(OptionError, match=r"--key-prefix folder: not known; give tar"):
        tar_in_key("folder")
    with pytest.raises(OptionError, match=r"--media-members.*'pdf'"):
        member_rules("pdf", None, None, None, None)
