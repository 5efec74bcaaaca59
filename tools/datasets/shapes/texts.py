"""Texts of a scene: its caption, its questions, a choice among captions, or blanks.

Choices are five captions of one kind, the right one and four that differ from it in one fact each:

  move    three in the same fact (colour, shape or direction), one in another; one has the opposite direction
  count   four in the colour of the same figure
  order   three in the colour of the same figure, one in the order of the two

So four of five (of count all) differ in one word, and none of these is the odd one. In move and order the fifth still
tells something: only the right caption differs from each of the others in one fact, whatever these are.

The place of the right one is dealt: each of the five equally often, within one, in all clips and in those of a kind.
The question is that of all choices among captions (tools/questions.py), the type the kind of clip.

Blanks are the caption with a colour, a shape or (of move) a direction left out, a record each; the type is the fact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from shards.order import rng as addressed_rng
from tools.datasets.shapes.scene import COLORS, DIRECTIONS, OPPOSITE, SHAPES, Scene
from tools.questions import CAPTION_QUESTION, Question

TEXTS = ("captions", "questions", "choices", "blanks")
FACTS: dict[str, tuple[str, ...]] = {"color": tuple(COLORS), "shape": SHAPES, "direction": tuple(DIRECTIONS)}
"""Kind of fact -> the words that can say it."""
BLANK = "_____"
NUM_CHOICES = 5


def text_records(scene: Scene, seed: int, split: str, text: str, number: int) -> tuple[dict[str, Any], ...]:
    """The records of clip `number` of a set with `text`, one of TEXTS."""
    if text == "captions":
        return ({"caption": scene.caption},)
    name = f"{split}-{text}-{number:06d}"
    g = addressed_rng(seed, f"shapes-{text}", 0, split, str(number), 0, 0, text)
    if text == "questions":
        asked = [Question(name, question, answer, kind, "") for kind, question, answer in scene.asked]
    elif text == "choices":
        asked = [_choice(scene, name, number % NUM_CHOICES, g)]  # even in each kind too: kinds take turns by three
    else:
        asked = _blanks(scene, name, g)
    return tuple(replace(question, id=f"{name}-{i}").record() for i, question in enumerate(asked))


def _choice(scene: Scene, name: str, place: int, g: np.random.Generator) -> Question:
    """The caption at `place`, among four wrong ones in random order."""
    kind = scene.facts["kind"]
    wrong = _wrong_moves(scene, g) if kind == "move" else _wrong_colors(scene, g)
    choices = [wrong[i] for i in g.permutation(len(wrong))]
    choices.insert(place, scene.caption)
    return Question(name, CAPTION_QUESTION, scene.caption, kind, "", tuple(choices), place)


def _wrong_moves(scene: Scene, g: np.random.Generator) -> list[str]:
    """Three captions that differ in one fact, and one that differs in another; the opposite direction is there."""
    shared = str(g.choice(list(FACTS)))
    if shared == "direction":
        return [*_others(scene, "direction", 3, g), *_others(scene, str(g.choice(["color", "shape"])), 1, g)]
    (place,) = _places(scene, "direction")
    opposite = _with_words(scene, {place: OPPOSITE[scene.facts["direction"]]})
    return [*_others(scene, shared, 3, g), opposite]


def _wrong_colors(scene: Scene, g: np.random.Generator) -> list[str]:
    """Captions in which one figure has another colour: four, or three and the one with the turns swapped."""
    if scene.facts["kind"] == "count":
        return _others(scene, "color", 4, g)
    words = scene.caption.split()
    swapped: dict[int, str] = {}
    for fact in ("color", "shape"):
        first, last = _places(scene, fact)
        swapped |= {first: words[last], last: words[first]}
    return [*_others(scene, "color", 3, g), _with_words(scene, swapped)]


def _others(scene: Scene, fact: str, count: int, g: np.random.Generator) -> list[str]:
    """`count` captions in which a fact of one figure is another."""
    words, places = scene.caption.split(), _places(scene, fact)
    place = int(g.choice(places))
    # the two figures of an order never have one colour: a caption that says so is wrong without a look at the clip
    taken = {words[p] for p in places} if scene.facts["kind"] == "order" else {words[place]}
    free = [word for word in FACTS[fact] if word not in taken]
    return [_with_words(scene, {place: str(word)}) for word in g.permutation(free)[:count]]


def _blanks(scene: Scene, name: str, g: np.random.Generator) -> list[Question]:
    """A blank for each kind of fact that the caption tells, of a figure that is drawn."""
    asked = []
    for fact in FACTS:
        if places := _places(scene, fact):
            place = int(g.choice(places))
            sentence, word = _with_words(scene, {place: BLANK}), scene.caption.split()[place]
            asked.append(Question(name, sentence, word, fact, ""))
    return asked


def _places(scene: Scene, fact: str) -> list[int]:
    """Numbers of the caption's words that say a fact, one for each figure."""
    return [place for place, word in enumerate(scene.caption.split()) if word in FACTS[fact]]


def _with_words(scene: Scene, changed: dict[int, str]) -> str:
    """The caption with other words at some places."""
    return " ".join(changed.get(place, word) for place, word in enumerate(scene.caption.split()))
