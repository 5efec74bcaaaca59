"""The plan of a clip: numbers that say which frames, which crop, flip and size; made before any decoding."""

from __future__ import annotations

from dataclasses import dataclass

from shards.media.randaugment import Op


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """Decode `frames`, resize each to `resize`, cut `crop` out of the resized frame, mirror it if `flip`, do `ops`."""

    frames: tuple[int, ...]
    """Frame numbers in the order in which the model sees them; may repeat, may run backwards."""
    resize: tuple[int, int]
    """(height, width) that the whole frame is scaled to, pixels."""
    crop: tuple[int, int, int, int]
    """(top, left, height, width) inside the resized frame, pixels."""
    flip: bool = False
    ops: tuple[Op, ...] = ()
    """What RandAugment does to all frames, in this order; decoders leave it to shards/decode/augment.py."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the decoded clip: (frames, height, width, 3), uint8 RGB."""
        return (len(self.frames), self.crop[2], self.crop[3], 3)
