"""What stands for an object of numpy, pandas or pyarrow while a pickle is read: data, never the object itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shards.base import PrintableError


class UnreadablePickle(PrintableError, ValueError):
    """A pickle that is damaged or holds what is not read; the message says what, without the file."""


class StandIn:
    """An object of a library, of which only the data are kept."""

    @property
    def weight(self) -> int:
        """About how many values and bytes `plain` makes; known before they are made."""
        return 0

    def set_state(self, state: Any) -> None:
        """Take the state that the pickle gives the object after making it. Raises UnreadablePickle."""
        raise UnreadablePickle(f"gives a state to {type(self).__name__.lower()}, which has none; fetch it again")

    def plain(self) -> Any:
        """Its data as plain values, in which other stand-ins may be. Raises UnreadablePickle."""
        raise UnreadablePickle(f"holds a {type(self).__name__.lower()} where data are expected; fetch it again")


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that the pickle names and that is known here; `make` stands for a call of it."""

    name: str
    make: Callable[..., Any] | None = None
    """Makes plain values or a stand-in; None: the pickle only mentions the name."""
