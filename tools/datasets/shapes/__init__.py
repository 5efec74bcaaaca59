"""Shapes: short H.264 clips of moving coloured shapes with texts, rendered here, deterministic by seed.

Three kinds of clip, each drawn so that no single frame and no position gives the answer away:

  move    one shape crosses the picture in one of four directions; the path's centre does not depend on the direction
  count   one to four shapes stand about
  order   two shapes, both always visible; one moves in the first half of the clip, the other in the second

Questions ask for colour, shape, direction of motion, count, and order of the two events; texts.py here says what
choices and blanks are. Every clip has its own address (seed, split, text, number), so splits share no seed and clip
number i is the same in a set of any size. Colours, shapes, directions, counts and kinds are dealt evenly, so always
giving the commonest answer of a type scores about 1/4 or less.
"""

from tools.datasets.shapes.clips import SPLITS, encode, rows
from tools.datasets.shapes.scene import (
    COLORS,
    DIRECTIONS,
    FPS,
    KINDS,
    NUM_FRAMES,
    NUMBERS,
    OPPOSITE,
    SHAPES,
    SIZE,
    Figure,
    Scene,
)
from tools.datasets.shapes.texts import TEXTS

__all__ = [
    "COLORS",
    "DIRECTIONS",
    "FPS",
    "KINDS",
    "NUMBERS",
    "NUM_FRAMES",
    "OPPOSITE",
    "SHAPES",
    "SIZE",
    "SPLITS",
    "TEXTS",
    "Figure",
    "Scene",
    "encode",
    "rows",
]
