"""Generation: the decoder writes the answer, by beam search (MCG as released; docs/facts/mcg_alpro.md 3.4).

The score is the mean log-probability of the answer's tokens.
"""

from __future__ import annotations

from mcg.answering.answering import Answering, Scored
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused, GenerationPlan
from mcg.text.spelling import as_written
from mcg.text.texts import Arrays


class Generation(Answering):
    """See the module."""

    def check(self, model: ModelConfig) -> None:
        self.check_decoder(model)

    def arrays(self, answer: str) -> Arrays:
        return self.texts.answer(answer, self.config.max_answer_tokens)

    def best(self, model: Model, fused: Fused, count: int) -> list[list[Scored]]:
        """At most num_beams answers."""
        count = min(count, self.config.num_beams)
        plan = GenerationPlan(
            start_id=self.texts.start_id,
            end_id=self.texts.end_id,
            pad_id=self.texts.pad_id,
            num_beams=self.config.num_beams,
            max_tokens=self.config.max_answer_tokens,
            num_answers=count,
        )
        generated = model.generate(fused, plan)
        texts = [self._spell(self.texts.decode(ids)) for ids in generated.ids_BA.cpu().numpy()]
        scored = list(zip(texts, generated.scores_B.tolist(), strict=True))
        return [scored[start : start + count] for start in range(0, len(scored), count)]

    def _spell(self, text: str) -> str:
        return text if self.config.compat == "released" else as_written(text)
