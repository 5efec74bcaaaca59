"""The cursor: a loader's whole position as a few named numbers, at most 260 bytes + 120 per dataset as compact JSON,
and at most 60 for each clip that was given up for its time and comes again; these are rare.

Promises: because the order is a function, (q, positions) is all there is to save of it; a cursor that belongs to
another order is refused, and the message names the field and both values. How long a clip takes to decode is no
function of the data, so what was given up for its time is saved, too, at places of the order: whoever goes on from the
cursor, with any world size or batch size, shows the same. The batch size, the world size and the decoder are carried
along only to log a change: nothing is computed from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from shards.base.errors import CursorMismatch

VERSION = 1

_PER_DATASET = ("shards", "shifts")
_OMITTED = (*_PER_DATASET, "given_up", "batch_sizes", "batches_per_turn")
"""Fields that are not saved while they are empty."""
_LATER = {"decoder", *_OMITTED}
"""Fields that cursors of earlier releases do not have."""
_REFUSED = ("version", "seed", "fingerprint", "streams", "window", "datasets", "weights", "unit")


class GivenUp(NamedTuple):
    """An attempt at an element that was given up because its decoding took too long."""

    dataset: int
    """Number of the dataset."""
    position: int
    """Position of the planned element in the order of the dataset."""
    attempt: int
    """0: the element itself, else the number of its substitute."""
    seconds: float
    """The limit that it exceeded."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of a loader: before turn `q` of the blend, and before `positions[d]` of each dataset d."""

    version: int
    seed: int
    fingerprint: str
    """16 hex digits over the fingerprints of all datasets."""
    streams: int | tuple[int, ...]
    """The resolved numbers; per dataset where they differ."""
    window: tuple[int, ...]
    """Elements, per dataset; the resolved numbers."""
    datasets: tuple[str, ...]
    """Names, with what changes the elements of a dataset: "cc3m", "cc3m/sample", "cc3m*2", "cc3m?1f0c88aa" (the hash
    of what where, exclude and side tables leave)."""
    weights: tuple[int, ...]
    unit: str
    """"step", "sample", or "pass" (evaluation)."""
    q: int
    positions: tuple[int, ...]
    batch_size: int
    world_size: int
    shards: tuple[int, ...] = ()
    """Per dataset, how many shards its pass under way goes through: the first ones. (): the cursor is older than the
    field."""
    shifts: tuple[int, ...] = ()
    """Per dataset that has grown, what is added to its position to find the pass; (): none has."""
    decoder: str = ""
    """The decode backend ("cpu", "dali-cuda", ...); "": not known, the cursor is older than the field."""
    given_up: tuple[GivenUp, ...] = ()
    """What was given up for its time at or beyond the place, so that it will be planned again."""
    batch_sizes: tuple[int, ...] = ()
    """Elements of a global batch of each dataset; (): all have batch_size."""
    batches_per_turn: int = 0
    """Batches of a turn of the blend; 0: one."""

    def to_dict(self) -> dict[str, Any]:
        """The cursor as plain numbers, strings and lists, for json and OmegaConf."""
        fields = {name: value for name, value in asdict(self).items() if name not in _OMITTED or value}
        return {k: _as_lists(v) for k, v in fields.items()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Cursor:
        """Read a saved cursor. Raises CursorMismatch for missing or unknown fields, or another version."""
        version = saved.get("version")
        if version != VERSION:
            raise CursorMismatch(_message("version", version, VERSION))
        expected, found = {f.name for f in fields(cls)}, set(saved)
        missing = expected - found - _LATER
        if missing or found - expected:
            raise CursorMismatch(
                f"not a cursor of version {VERSION}: missing fields {sorted(missing)}, "
                f"unknown fields {sorted(found - expected)}"
            )
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()}
        return cls(**values | {"given_up": _read_given_up(saved.get("given_up", []))})

    def shape(self, dataset: int) -> tuple[int, int] | None:
        """(streams, window) of a dataset; None where they make no sense, which `check` then reports."""
        numbers = [self.streams if isinstance(self.streams, int) else _at(self.streams, dataset)]
        numbers.append(_at(self.window, dataset))
        return (numbers[0], numbers[1]) if all(type(n) is int and n > 0 for n in numbers) else None

    def q_in_turns_of(self, batches_per_turn: int) -> int:
        """`q` where a turn lasts so many batches. Raises CursorMismatch for a place inside a turn of another length."""
        own = self.batches_per_turn or 1
        turns, further = divmod(self.q, own)
        if own == batches_per_turn:
            return self.q
        if further:
            raise CursorMismatch(
                f"cursor: batches_per_turn differs: saved {own}, this loader has {batches_per_turn}, and batch "
                f"{self.q} lies inside a turn; go on with the saved number until a turn ends"
            )
        return turns * batches_per_turn

    def check(self, expected: Cursor) -> None:
        """Raise CursorMismatch unless this cursor is a position in the order of `expected`; B and W may differ."""
        for name in _REFUSED:
            mine, theirs = getattr(self, name), getattr(expected, name)
            if mine != theirs:
                raise CursorMismatch(_message(name, mine, theirs))
        for name in ("positions", *_PER_DATASET):
            numbers = getattr(self, name)
            if (numbers or name == "positions") and len(numbers) != len(self.datasets):
                raise CursorMismatch(f"cursor: {len(numbers)} {name} for {len(self.datasets)} datasets")
        for entry in self.given_up:
            if entry.dataset >= len(self.datasets):
                raise CursorMismatch(f"cursor: given_up has {list(entry)}, and there are {len(self.datasets)} datasets")


def _at(numbers: Any, place: int) -> Any:
    return numbers[place] if isinstance(numbers, tuple) and place < len(numbers) else None


def _as_lists(value: Any) -> Any:
    return [_as_lists(one) for one in value] if isinstance(value, tuple) else value


def _read_given_up(saved: Any) -> tuple[GivenUp, ...]:
    for entry in saved if isinstance(saved, list) else [saved]:
        is_entry = isinstance(entry, list) and len(entry) == len(GivenUp._fields)
        if not is_entry or not all(type(n) is int and n >= 0 for n in entry[:3]) or type(entry[3]) not in (int, float):
            raise CursorMismatch(f"cursor: given_up has {entry!r}, which is not [{', '.join(GivenUp._fields)}]")
    return tuple(GivenUp(*entry) for entry in saved)


def joined_streams(streams: Sequence[int]) -> int | tuple[int, ...]:
    """The streams of all datasets as a cursor has them: one number where they agree."""
    return streams[0] if len(set(streams)) == 1 else tuple(streams)


def combine_fingerprints(fingerprints: Sequence[str]) -> str:
    """A short fingerprint over those of the datasets, in order."""
    return hashlib.blake2b(json.dumps(list(fingerprints)).encode(), digest_size=8).hexdigest()


def _message(name: str, saved: Any, expected: Any) -> str:
    plain = [list(v) if isinstance(v, tuple) else v for v in (saved, expected)]
    remedy = {
        "version": "read it with the release that wrote it",
        "fingerprint": "the shards are not those that the run started with; restore them or start a new run",
    }.get(name, f"set {name} back, or start a new run")
    if name == "datasets" and _unselected(saved) == _unselected(expected):
        remedy = (
            "what follows ? stands for what where and exclude leave of the dataset; set them back (or the exclusion "
            "files, the side tables, or the index), or start a new run"
        )
    return f"cursor: {name} differs: saved {plain[0]!r}, this loader has {plain[1]!r}; {remedy}"


def _unselected(labels: Any) -> list[str]:
    return [str(label).partition("?")[0] for label in labels] if isinstance(labels, tuple) else [repr(labels)]
