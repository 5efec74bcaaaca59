"""What an index is to know beyond names and places of members."""

from __future__ import annotations

from typing import NamedTuple

from shards.dataset.members.rules import MemberRules


class Looks(NamedTuple):
    """What an index is to know beyond names and places of members."""

    checksums: bool = True
    """False: only headers are read."""
    media: bool = False
    """Media facts and GOP tables."""
    rules: MemberRules = MemberRules()
    """Which members are read."""
