"""Rules and families as data: first match, whole keys, signs."""

from __future__ import annotations

import re

from mcg.convert import FAMILIES
from mcg.convert.rules import Rule


def test_a_rule_takes_whole_keys_and_names_every_target() -> None:
    rule = Rule(r"old\.(\d+)\.(.+)", (r"a.\1.\2", r"b.\1.\2"))
    assert rule.apply("old.3.weight") == ("a.3.weight", "b.3.weight")
    assert rule.apply("very.old.3.weight") is None and Rule(r"old.*", reason="why").apply("old.3") == ()


def test_every_rule_that_drops_gives_its_reason_and_no_other_does() -> None:
    for family in FAMILIES.values():
        for rule in family.rules:
            re.compile(rule.source)
            assert bool(rule.reason) != bool(rule.targets), (family.name, rule.source)


def test_a_family_wants_all_its_signs_and_its_wrapper() -> None:
    lavis = FAMILIES["lavis_alpro"]
    keys = ["visual_encoder.model.cls_token", "text_encoder.embeddings.token_type_embeddings.weight"]
    assert lavis.fits(keys, "model") and not lavis.fits(keys, None) and not lavis.fits(keys[:1], "model")
