"""One record of an annotation file, and how its fields are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shards.base import PrintableError


class BadLine(PrintableError, ValueError):
    """A record that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its place in the file ("line 17", "row 3") and its values by column or field name."""

    place: str
    values: dict[str, Any]

    def value(self, spellings: tuple[str, ...]) -> Any:
        """The value of the first of these names that the record has and that is not null, else None."""
        return next((self.values[name] for name in spellings if self.values.get(name) is not None), None)

    def id(self, spellings: tuple[str, ...]) -> str:
        """An identifier: a text or a whole number. Raises BadLine."""
        value = self.value(spellings)
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
            raise BadLine(f"no {spellings[0]}; it has {', '.join(self.values) or 'no fields'}")
        return str(value).strip()

    def text(self, name: str) -> str | None:
        """A text, or None where the file says null. Raises BadLine where the field is missing or something else."""
        if name not in self.values:
            raise BadLine(f"no {name!r}; it has {', '.join(self.values) or 'no fields'}")
        value = self.values[name]
        if value is not None and not isinstance(value, str):
            found = f"{type(value).__name__} {str(value)[:40]}"
            hint = "; labels are not answers: give the file with answer texts" if name == "answer" else ""
            raise BadLine(f"{name} must be a text, found {found}{hint}")
        return value

    def texts(self, name: str, count: int) -> tuple[str | None, ...]:
        """A list of so many texts, each of which may be None. Raises BadLine."""
        values = self.values.get(name)
        if not isinstance(values, list) or len(values) != count:
            raise BadLine(f"{name} must be a list of {count} texts, found {str(values)[:60]}")
        names = [f"{name} {number}" for number in range(count)]
        return tuple(map(Record(self.place, dict(zip(names, values, strict=True))).text, names))

    def right_choice(self, choices: Sequence[str | None]) -> int:
        """The choice that the field "answer" means by its number, counted from 0, or by its text. Raises BadLine."""
        answer = self.values.get("answer")
        if isinstance(answer, int) and not isinstance(answer, bool):
            index = answer
        elif isinstance(answer, str) and re.fullmatch(r"\s*[0-9]{1,3}\s*", answer):
            index = int(answer)
        elif isinstance(answer, str) and list(choices).count(answer) == 1:
            index = list(choices).index(answer)
        else:
            found = f"answer {str(answer)[:40]!r}"
            raise BadLine(f"{found} is neither the number of a choice nor the text of just one of them")
        if not 0 <= index < len(choices):
            raise BadLine(f"answer {index} is not the number of a choice, 0 to {len(choices) - 1}")
        return index
