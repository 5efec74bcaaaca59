"""Thrift's compact encoding, in which parquet writes its footer and the headers of its pages; read, never written.

Promises: reading takes as much memory as the budget has things, whatever the bytes claim; what is cut off, too deep or
no thrift is a ValueError. Knows no schema: a struct is a dictionary of field numbers.
"""

from __future__ import annotations

from typing import Any

_MAX_DEPTH = 16
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)


class Thrift:
    """Reads from `at` on; `at` then stands behind what was read."""

    def __init__(self, data: bytes | memoryview, at: int = 0, budget: int = 1000, keep: bool = True) -> None:
        """budget: how many fields and entries of lists there may be in all. keep: False to count them only."""
        self.data, self.at, self.budget, self.keep = data, at, budget, keep

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """A struct: field number -> value; texts are told by their length.

        Fields stand in order and once, as every writer has it: readers do not agree on what else would mean.
        """
        if depth > _MAX_DEPTH:
            raise ValueError(f"is nested more than {_MAX_DEPTH} deep")
        fields: dict[int, Any] = {}
        number, data = 0, self.data
        try:
            while head := data[self.at]:
                self.at += 1
                kind = head & 15
                step = head >> 4 or self.integer() - number
                if step <= 0:
                    raise ValueError("has a field out of order")
                number += step
                if kind in _INTEGERS:  # most are short: this is the loop that takes the time
                    value: Any = data[self.at]
                    if value < 128:
                        self.at += 1
                        value = (value >> 1) ^ -(value & 1)
                    else:
                        value = self.integer()
                elif kind == _BINARY:
                    value = self._skip(self.varint())
                else:
                    value = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
                self._spend(1)
                if self.keep:
                    fields[number] = value
        except IndexError:
            raise ValueError("is cut off") from None
        self.at += 1
        return fields

    def integer(self) -> int:
        """A number in zigzag form."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def varint(self) -> int:
        """A number of up to 64 bits, without a sign."""
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("holds a number of more than 64 bits")

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self.integer()
        if kind in (_TRUE, _FALSE, _BYTE):  # of a list: a byte each
            return self._byte()
        if kind == _DOUBLE:
            return self._skip(8)
        if kind == _BINARY:
            return self._skip(self.varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self.varint()
            self._spend(count)
            values = (self._value(head & 15, depth + 1) for _ in range(count))
            return list(values) if self.keep else sum(1 for _ in values)
        if kind == _MAP:
            count = self.varint()
            self._spend(2 * count)
            kinds = self._byte() if count else 0
            for _ in range(count):  # parquet has none whose content we want
                self._value(kinds >> 4, depth + 1)
                self._value(kinds & 15, depth + 1)
            return count
        raise ValueError(f"holds a value of the unknown kind {kind}")

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise ValueError("is cut off")
        self.at += 1
        return self.data[self.at - 1]

    def _skip(self, length: int) -> int:
        self.at += length
        if self.at > len(self.data):
            raise ValueError("is cut off")
        return length

    def _spend(self, count: int) -> None:
        self.budget -= count
        if self.budget < 0:
            raise ValueError("holds more entries than a file of this kind has")
