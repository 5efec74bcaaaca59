"""The bits of a video's headers."""

from __future__ import annotations


class Bits:
    """Bits of a header, the first of a byte is its highest. Raises ValueError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)
        self._length = self._left

    @property
    def position(self) -> int:
        """The number of bits that were read."""
        return self._length - self._left

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the header is cut off")
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """A whole number in Exp-Golomb code (ITU-T H.264, 9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("a number of the header is too long")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        number = self.golomb()
        return (number + 1) // 2 if number % 2 else -(number // 2)
