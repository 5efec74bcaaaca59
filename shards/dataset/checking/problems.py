"""What a check found in one shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a shard."""

    shard: str
    key: str | None
    """The sample that it belongs to, None for the shard as a whole."""
    what: str
    expected: str
    found: str

    @property
    def reason(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"

    def to_dict(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class ShardReport:
    """What a check found in one shard."""

    shard: str
    num_samples: int
    num_members: int = 0
    num_records: int = 0
    """Records counted in json members."""
    num_decoded: int = 0
    num_unlisted: int = 0
    """Members of the tar that the index left out on purpose."""
    num_bytes: int = 0
    """Bytes read and looked at."""
    problems: list[Problem] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    """Key -> reason of every sample that cannot be used."""


def bad_samples(report: ShardReport) -> Iterator[dict[str, str]]:
    """The entries of an exclusion list: shard, key, reason."""
    for key, reason in report.bad.items():
        yield {"shard": report.shard, "key": key, "reason": reason}
