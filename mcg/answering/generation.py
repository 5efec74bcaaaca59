"""Generation: the decoder writes the answer, by beam search (MCG as released; docs/facts/mcg_alpro.md 3.4).

The score is the mean log-probability of the answer's tokens.
"""

from __future__ import annotations

from typing import NamedTuple

from mcg.answering.answering import Answering, Scored
from mcg.compat import Compat
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused, Generated, GenerationPlan
from mcg.text.spelling import as_written
from mcg.text.texts import Arrays, Texts


class Generation(Answering):
    """See the module."""

    def check(self, model: ModelConfig) -> None:
        self.check_decoder(model)

    def arrays(self, answer: str) -> Arrays:
        return self.texts.answer(answer, self.config.max_answer_tokens)

    def best(self, model: Model, fused: Fused, count: int) -> list[list[Scored]]:
        """At most num_beams answers."""
        plan = writing_plan(self.texts, self.config.num_beams, self.config.max_answer_tokens, count)
        rows = written(model.generate(fused, plan), plan, self.texts, self.config.compat)
        return [[(one.text, one.score) for one in row] for row in rows]


class Written(NamedTuple):
    """A text that a model has written: an answer or a caption."""

    text: str
    score: float
    """Mean log-probability of its word pieces, the end counted."""
    ended: bool
    """False of one that the longest length has cut."""


def writing_plan(texts: Texts, num_beams: int, max_tokens: int, count: int) -> GenerationPlan:
    """The plan of texts of at most max_tokens, of which the best `count` are kept, num_beams at most."""
    return GenerationPlan(
        start_id=texts.start_id,
        end_id=texts.end_id,
        pad_id=texts.pad_id,
        num_beams=num_beams,
        max_tokens=max_tokens,
        num_answers=min(count, num_beams),
    )


def written(found: Generated, plan: GenerationPlan, texts: Texts, compat: Compat) -> list[list[Written]]:
    """What was generated of each sample, the best first, as people write it; as released with spaces around marks."""
    ended = (found.ids_BA == plan.end_id).any(1).tolist()
    plain = [texts.decode(ids) for ids in found.ids_BA.cpu().numpy()]
    spelled = plain if compat == "released" else list(map(as_written, plain))
    rows = list(map(Written, spelled, found.scores_B.tolist(), ended))
    return [rows[first : first + plan.num_answers] for first in range(0, len(rows), plan.num_answers)]
