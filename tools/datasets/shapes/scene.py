"""Scenes of moving coloured shapes: drawn by address, with a caption and questions, and rendered to frames.

Captions are sentences of a fixed form, in which words of COLORS, SHAPES and DIRECTIONS say nothing but a fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shards.order import rng as addressed_rng

SIZE = 64
"""Height and width in pixels."""
NUM_FRAMES = 16
FPS = 8
COLORS = {
    "red": (220, 40, 40),
    "green": (40, 190, 60),
    "blue": (50, 80, 230),
    "yellow": (230, 220, 50),
    "purple": (170, 60, 200),
    "white": (240, 240, 240),
}
SHAPES = ("circle", "square", "triangle", "cross")
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
"""Name -> (dy, dx); y grows downwards."""
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}
NUMBERS = ("one", "two", "three", "four")
KINDS = ("move", "count", "order")

Array = np.ndarray[Any, Any]
Asked = list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One shape with its path: centres (frames, 2) in pixels (y, x), radius in pixels."""

    shape: str
    color: str
    radius: float
    path: Array


@dataclass(frozen=True, slots=True)
class Scene:
    """A clip before rendering: its figures, its caption and its questions."""

    background: tuple[int, int, int]
    figures: tuple[Figure, ...]
    caption: str
    asked: Asked
    """(type of question, question, answer)."""
    facts: dict[str, str]

    @classmethod
    def draw(cls, seed: int, split: str, text: str, number: int) -> Scene:
        """The scene of a clip; every (seed, split, text, number) has random numbers of its own."""
        g = addressed_rng(seed, f"shapes-{text}", 0, split, str(number), 0, 0, "scene")
        background = tuple(int(v) for v in g.integers(0, 70, 3))
        kind = KINDS[number % len(KINDS)]
        if kind == "move":
            figures, caption, asked, facts = _move(g)
        elif kind == "count":
            figures, caption, asked, facts = _count(g)
        else:
            figures, caption, asked, facts = _order(g)
        return cls((background[0], background[1], background[2]), figures, caption, asked, {"kind": kind, **facts})

    def render(self) -> Array:
        """Its frames, uint8 (NUM_FRAMES, SIZE, SIZE, 3), edges smoothed over about a pixel."""
        y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
        frames = np.broadcast_to(np.array(self.background, np.float64), (NUM_FRAMES, SIZE, SIZE, 3)).copy()
        for figure in self.figures:
            dy = y[None] - figure.path[:, 0, None, None]
            dx = x[None] - figure.path[:, 1, None, None]
            cover = np.clip(0.5 - _distance(figure.shape, dy, dx, figure.radius), 0, 1)[..., None]
            frames += cover * (np.array(COLORS[figure.color]) - frames)
        return np.rint(frames).astype(np.uint8)


def _move(g: np.random.Generator) -> tuple[tuple[Figure, ...], str, Asked, dict[str, str]]:
    color, shape, direction = _pick(g, list(COLORS)), _pick(g, SHAPES), _pick(g, list(DIRECTIONS))
    radius = g.uniform(11, 14)
    travel = g.uniform(26, 34)
    center = g.uniform(radius + travel / 2, SIZE - radius - travel / 2, 2)
    across = g.uniform(radius, SIZE - radius)
    step = np.array(DIRECTIONS[direction], dtype=np.float64)
    center = np.where(step == 0, across, center)
    path = center + np.linspace(-0.5, 0.5, NUM_FRAMES)[:, None] * travel * step
    asked = [
        ("direction", f"which way does the {shape} move?", direction),
        ("color", f"what color is the {shape}?", color),
        ("shape", f"what shape is the {color} thing?", shape),
    ]
    return (
        (Figure(shape, color, radius, path),),
        f"a {color} {shape} moves {direction}",
        asked,
        {"direction": direction},
    )


def _count(g: np.random.Generator) -> tuple[tuple[Figure, ...], str, Asked, dict[str, str]]:
    count = int(g.integers(1, 5))
    corners = np.sort(g.permutation(4)[:count])  # named in reading order, so that only one caption is right
    figures = []
    for corner in corners:
        radius = g.uniform(8, 11)
        home = np.array([corner // 2, corner % 2]) * SIZE / 2 + SIZE / 4
        center = home + g.uniform(-3, 3, 2)
        path = np.repeat(center[None], NUM_FRAMES, axis=0)
        figures.append(Figure(_pick(g, SHAPES), _pick(g, list(COLORS)), radius, path))
    word = NUMBERS[count - 1]
    said = " and ".join(f"{f.color} {f.shape}" for f in figures)
    asked = [("count", "how many things are there?", word)]
    return tuple(figures), f"{word} : {said}", asked, {"count": word}


def _order(g: np.random.Generator) -> tuple[tuple[Figure, ...], str, Asked, dict[str, str]]:
    colors = [list(COLORS)[i] for i in g.permutation(len(COLORS))[:2]]
    shapes = [SHAPES[i] for i in g.permutation(len(SHAPES))[:2]]
    half = NUM_FRAMES // 2
    ramp = np.concatenate([np.linspace(0, 1, half), np.ones(NUM_FRAMES - half)])
    sides = g.permutation(2)
    moves_along = np.array([1.0, 0.0]) if g.random() < 0.5 else np.array([0.0, 1.0])
    figures = []
    for turn in range(2):
        radius = g.uniform(10, 12)
        travel = g.uniform(24, 30) * (1 if g.random() < 0.5 else -1)
        beside = SIZE / 4 + sides[turn] * SIZE / 2 + g.uniform(-2, 2)
        middle = np.where(moves_along == 0, beside, SIZE / 2 + g.uniform(-4, 4))
        when = ramp if turn == 0 else 1 - ramp[::-1]
        figures.append(
            Figure(shapes[turn], colors[turn], radius, middle + (when - 0.5)[:, None] * travel * moves_along)
        )
    names = [f"{f.color} {f.shape}" for f in figures]
    first_is_asked = bool(g.random() < 0.5)
    asked = [
        ("order", f"what color moves {'first' if first_is_asked else 'last'}?", colors[0 if first_is_asked else 1]),
        ("order", f"what shape moves {'last' if first_is_asked else 'first'}?", shapes[1 if first_is_asked else 0]),
    ]
    caption = f"a {names[0]} moves first and a {names[1]} moves last"
    return tuple(figures), caption, asked, {"first": names[0], "last": names[1]}


def _pick(g: np.random.Generator, choices: Any) -> str:
    return str(choices[int(g.integers(len(choices)))])


def _distance(shape: str, dy: Array, dx: Array, radius: float) -> Array:
    """Signed distance in pixels to the outline, negative inside; every figure fits the circle of its radius."""
    if shape == "circle":
        return np.hypot(dy, dx) - radius
    if shape == "square":
        return np.maximum(abs(dy), abs(dx)) - 0.8 * radius
    if shape == "triangle":
        return np.maximum(dy - 0.5 * radius, 0.87 * abs(dx) - 0.5 * dy - 0.5 * radius)
    long, short = radius, 0.3 * radius
    upright = np.maximum(abs(dy) - long, abs(dx) - short)
    return np.minimum(upright, np.maximum(abs(dx) - long, abs(dy) - short))
