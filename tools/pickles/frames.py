"""Stand-ins of pandas' data frames, series and indexes, as pandas 1 to 3 pickled them, and the table made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.pickles.stand_in import StandIn, UnreadablePickle

_BLOCKS_OF_OLD = "0.14.1"
"""Name of the blocks in a manager's state, from pandas 0.14.1 to 1.2."""
MAX_RANGE = 1_000_000
"""Numbers of a range that is listed; it takes no bytes of the file, whatever its length."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A data frame: plain values by column; its index is one if it has a name."""

    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows; a missing value (None, NaN) is None."""
        for row in zip(*self.columns.values(), strict=True):
            yield {name: _present(value) for name, value in zip(self.columns, row, strict=True)}


class Range(StandIn):
    """slice and RangeIndex: numbers with a step."""

    def __init__(self, *numbers: Any) -> None:
        start, stop, step = numbers if len(numbers) == 3 else (0, *numbers, 1)
        if not all(type(number) is int for number in (stop, step)) or step == 0:
            raise UnreadablePickle("holds a range without numbers; fetch it again")
        self._numbers = range(start or 0, stop, step)

    def plain(self) -> list[int]:
        if len(self._numbers) > MAX_RANGE:
            raise UnreadablePickle(f"holds an index of {len(self._numbers):,} numbers; it is not to be trusted")
        return list(self._numbers)


class Block(StandIn):
    """Columns of one type, and their numbers in the data frame."""

    def __init__(self, values: Any, placement: Any, ndim: Any = 2) -> None:
        if not isinstance(values, StandIn) or not isinstance(placement, StandIn):
            raise UnreadablePickle("holds columns without their numbers; fetch it again")
        self._values, self._placement = values, placement

    @property
    def weight(self) -> int:
        return self._values.weight

    def columns(self) -> tuple[list[int], list[Any]]:
        """(numbers, columns); a column of texts stands by itself, others are the rows of one array."""
        numbers, values = self._placement.plain(), self._values.plain()
        is_one = len(getattr(self._values, "shape", ())) != 2
        return numbers, [values] if is_one and len(numbers) == 1 else values or [[] for _ in numbers]

    def values(self) -> Any:
        """The values of a series."""
        return self._values.plain()


class Manager(StandIn):
    """BlockManager and SingleBlockManager: the blocks and the axes."""

    def __init__(self, blocks: Any = (), axes: Any = (), *_: Any) -> None:
        self.blocks, self.axes = (blocks,) if isinstance(blocks, Block) else blocks, axes

    @property
    def weight(self) -> int:
        return sum(part.weight for part in (*self.blocks, *self.axes) if isinstance(part, StandIn))

    def set_state(self, state: Any) -> None:
        blocks = state[3][_BLOCKS_OF_OLD]["blocks"]
        self.axes, self.blocks = state[0], [Block(block["values"], block["mgr_locs"]) for block in blocks]


class DataFrame(StandIn):
    """pandas.DataFrame."""

    def __init__(self) -> None:
        self._manager = Manager()

    @property
    def weight(self) -> int:
        return self._manager.weight

    def set_state(self, state: Any) -> None:
        self._manager = _manager(state)

    def plain(self) -> Frame:
        names = self._manager.axes[0].plain()
        columns: list[Any] = [None] * len(names)
        for block in self._manager.blocks:
            numbers, values = block.columns()
            for number, column in zip(numbers, values, strict=True):
                columns[range(len(names))[number]] = column
        sizes = {len(column) if isinstance(column, list) else -1 for column in columns}
        if len(sizes) > 1 or -1 in sizes:
            raise UnreadablePickle("holds a data frame whose columns do not fit together; fetch it again")
        texts = [str(name) if isinstance(name, (str, int)) else "" for name in names]
        if "" in texts or len(set(texts)) < len(texts):
            raise UnreadablePickle("holds a data frame with columns of one name, or without a name; rename them")
        index = self._manager.axes[1]
        named = {}
        if isinstance(index, Labels) and isinstance(index.name, str) and index.name not in texts:
            named = {index.name: index.plain()}
        if named and any(len(labels) != size for labels in named.values() for size in sizes):
            raise UnreadablePickle("holds a data frame whose index does not fit its columns; fetch it again")
        return Frame(named | dict(zip(texts, columns, strict=True)))


class Series(StandIn):
    """pandas.Series: its values, without the index."""

    def __init__(self) -> None:
        self._manager = Manager()

    @property
    def weight(self) -> int:
        return self._manager.weight

    def set_state(self, state: Any) -> None:
        self._manager = _manager(state)

    def plain(self) -> Any:
        return self._manager.blocks[0].values()


class Labels(StandIn):
    """pandas.Index."""

    def __init__(self, kind: Any, state: Any) -> None:
        if not isinstance(state, dict):
            raise UnreadablePickle("holds an index without its labels; fetch it again")
        self.name = state.get("name")
        if "stop" in state:
            self._values: Any = Range(state.get("start"), state["stop"], state.get("step", 1))
        else:
            self._values = state["data"]

    @property
    def weight(self) -> int:
        return int(self._values.weight)

    def plain(self) -> Any:
        return self._values.plain()


def _manager(state: Any) -> Manager:
    found = (
        next((state[name] for name in ("_mgr", "_data") if name in state), None) if isinstance(state, dict) else state
    )
    if not isinstance(found, Manager):
        raise UnreadablePickle("holds a data frame without its columns; fetch it again")
    return found


def _present(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
