"""The report of the check of one shard: problems, and the samples that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a shard."""

    shard: str
    key: str | None
    """Key of the sample; None for the shard as a whole."""
    what: str
    expected: str
    found: str

    @property
    def reason(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


@dataclass(slots=True)
class ShardReport:
    """The problems of one shard, and the samples that cannot be used."""

    shard: str
    num_samples: int
    num_members: int = 0
    num_records: int = 0
    """Records counted in json members."""
    num_decoded: int = 0
    num_unlisted: int = 0
    """Members of the tar that the index left out and its quarantine names."""
    num_bytes: int = 0
    """Bytes that were read and checked."""
    problems: list[Problem] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    """Key -> reason of every sample that cannot be used."""

    def problem(self, key: str | None, what: str, expected: str, found: str, spoils: bool = True) -> None:
        """Add a problem of a sample, or of the shard (key None). spoils: the sample cannot be used."""
        problem = Problem(self.shard, key, what, expected, found)
        self.problems.append(problem)
        if key is not None and spoils:
            self.bad.setdefault(key, problem.reason)

    def spoil_all(self, keys: Sequence[str], what: str, expected: str, found: str, first: bool = False) -> None:
        """Add a problem of the shard that makes all its samples useless. first: put it before the other problems."""
        problem = Problem(self.shard, None, what, expected, found)
        self.problems.insert(0 if first else len(self.problems), problem)
        for key in keys:
            self.bad.setdefault(key, problem.reason)

    def exclusions(self) -> Iterator[dict[str, str]]:
        """The entries of an exclusion list: shard, key, reason."""
        for key, reason in self.bad.items():
            yield {"shard": self.shard, "key": key, "reason": reason}
