"""The options of an index: checksums, media facts, and the rules of its members."""

from __future__ import annotations

from typing import NamedTuple

from shards.dataset.members.rules import MemberRules


class Looks(NamedTuple):
    """The options of an index, which always holds the names and places of members."""

    checksums: bool = True
    """Checksums of members and tars, and numbers of records; False: only headers are read."""
    media: bool = False
    """Media facts and GOP tables, for which every medium is opened."""
    rules: MemberRules = MemberRules()
    """Rules that choose the medium and the texts of a sample among its members."""
