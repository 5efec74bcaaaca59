"""Records of a csv that a stray quote has drawn into one field.

A quote that opens a field and is not meant to (`"A 50 inch screen`) makes a field of all that follows up to the next
one, and csv has no way to say so: the result is a field of several lines, as captions with line breaks are. What
tells them apart: two of the lines could be records each by itself, being as long as the header is, with ids, numbers
and addresses where other records have them. Where columns have nothing of that kind, it takes two neighbouring lines
without the spaces that follow the commas of a sentence.
Gives up: a caption of several lines that are themselves like records of this file is taken for swallowed records, and
its lines are reported one by one; a swallowed line that lacks columns is taken for text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

NUM_LOOKED_AT = 1000
"""Records from which the forms of the columns are learned."""
_SHARE = 0.95
"""Share of the values that must be alike."""
_MIN_FOR_FORM = 3
"""Different values that are needed to learn a common beginning and the range of lengths."""


class KnownColumns:
    """The common form of the values in each column of a file."""

    def __init__(self, records: Iterable[Sequence[str]], num_columns: int) -> None:
        columns: list[list[str]] = [[] for _ in range(num_columns)]
        # Blank records (,,,), as spreadsheets write them, say nothing.
        seen = list(islice((record for record in records if any(map(str.strip, record))), NUM_LOOKED_AT))
        # Records of several lines are those in question: they count only in a file that has no others.
        of_one_line = [record for record in seen if not any({"\n", "\r"} & set(value) for value in record)]
        for record in of_one_line or seen:
            for column, value in zip(columns, record, strict=False):
                if not {"\n", "\r"} & set(value):
                    column.append(value)
        self._forms = [_Form(values) for values in columns]
        self._says_something = any(form.says_something for form in self._forms)

    def hold_records(self, lines: Sequence[str], delimiter: str) -> bool:
        """True if a record that takes several lines has swallowed others."""
        like = [self._is_like_a_record(_cells(line, delimiter)) for line in lines if line.strip()]
        if self._says_something:
            return sum(like) > 1
        return any(before and after for before, after in pairwise(like))

    def end_too_early(self, lines: Sequence[str], fields: Sequence[str], delimiter: str) -> bool:
        """True if a record of several lines is none, and its first line would be one by itself: the quote that it opens
        was closed by the one that opens a field of the next record."""
        is_record = len(fields) == len(self._forms) and self._is_like_a_record(fields)
        return not is_record and self._is_like_a_record(_cells(lines[0], delimiter))

    def _is_like_a_record(self, cells: Sequence[str]) -> bool:
        num_columns = len(self._forms)
        if len(cells) < num_columns or (len(cells) > num_columns and not self._says_something):
            return False
        pairs = list(zip(self._forms, cells, strict=False))
        if not self._says_something and any(
            _begins_with_space(cell) and not form.begins_with_space for form, cell in pairs
        ):
            return False  # a comma of a sentence
        return all(form.fits(cell) for form, cell in pairs)


class _Form:
    """The common form of one column's values: numbers, or words with digits in them (ids, addresses, times), of
    some length and with some beginning; nothing, for captions."""

    def __init__(self, values: Sequence[str]) -> None:
        self.begins_with_space = any(map(_begins_with_space, values))
        known = [value.strip() for value in values if value.strip()]
        enough = bool(known) and _nearly_all(len(known), len(values))
        self._is_number = enough and _most(value.isdecimal() for value in known)
        self.says_something = enough and _most(_is_word_with_digits(value) for value in known)
        self._start, self._lengths = "", range(1, 1 << 30)
        if self.says_something and not self._is_number and len(set(known)) >= _MIN_FOR_FORM:
            # Numbers that count up have their first digits in common only as long as few are seen.
            self._start = _common_start(min(known), max(known)).rstrip("0123456789")
            lengths = [len(value) for value in known]
            self._lengths = range(min(lengths) // 2, 2 * max(lengths) + 1)

    def fits(self, value: str) -> bool:
        value = value.strip().strip('"')
        if self._is_number:
            return value.isdecimal()
        if not self.says_something:
            return True
        return _is_word_with_digits(value) and value.startswith(self._start) and len(value) in self._lengths


def _begins_with_space(value: str) -> bool:
    """True for a space after a comma of a sentence; a line break is none."""
    return value[:1].isspace() and value[0] not in "\r\n"


def _common_start(one: str, other: str) -> str:
    same = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return one[: next(same, min(len(one), len(other)))]


def _is_word_with_digits(value: str) -> bool:
    return len(value.split()) == 1 and any(c.isdecimal() for c in value)


def _most(answers: Iterable[bool]) -> bool:
    found = list(answers)
    return _nearly_all(sum(found), len(found))


def _nearly_all(count: int, total: int) -> bool:
    """True also where one of a few is another: a line of a caption may look like a record."""
    return count >= _SHARE * total or total - 1 <= count >= _MIN_FOR_FORM


def _cells(line: str, delimiter: str) -> list[str]:
    """The fields of one line by itself; a quote that it opens and does not close is a character like others."""
    line = line.rstrip("\r\n")
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        pass
    try:
        *cells, open_field = next(csv.reader([line], delimiter=delimiter), [""])
    except csv.Error:
        return line.split(delimiter)
    return [*cells, *open_field.split(delimiter)]
