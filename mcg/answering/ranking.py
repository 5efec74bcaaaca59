"""Ranking: of a list of answers, the one of greatest likelihood as a whole is given (BLIP's "rank").

Only the num_candidates answers whose first token the decoder finds likeliest are scored as a whole. The score is the
log-likelihood of the answer.
"""

from __future__ import annotations

import torch

from mcg.answering.answer_list import AnswerListError, read_answers
from mcg.answering.answering import Answering, Scored
from mcg.answering.likelihood import first_token_log_probs, log_likelihoods
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.tasks.config import OpenQAConfig
from mcg.text.texts import Arrays, Texts


class Ranking(Answering):
    """See the module. Raises AnswerListError for a list that cannot be used."""

    def __init__(self, config: OpenQAConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        self._answers = read_answers(str(config.answer_list), config.num_answers)
        for number, answer in enumerate(self._answers):
            if misfit := texts.misfit(answer, config.max_answer_tokens):
                raise AnswerListError(
                    f"task.answer_list: {config.answer_list}: answer number {number}, {answer!r}, {misfit}"
                )
        coded = texts.choices(self._answers, config.max_answer_tokens)
        longest = int(coded["choice_mask"].sum(1).max())
        self._ids_NA, self._mask_NA = (
            torch.from_numpy(coded[name][:, :longest]) for name in ("choice_ids", "choice_mask")
        )

    def check(self, model: ModelConfig) -> None:
        self.check_decoder(model)

    def arrays(self, answer: str) -> Arrays:
        return self.texts.answer(answer, self.config.max_answer_tokens)

    def best(self, model: Model, fused: Fused, count: int) -> list[list[Scored]]:
        ids_NA, mask_NA = self._ids_NA.to(fused.text_BLD.device), self._mask_NA.to(fused.text_BLD.device)
        first_BK = first_token_log_probs(model, fused, self.texts.start_id)
        number_BC = first_BK[:, ids_NA[:, 1]].topk(min(self.config.num_candidates, len(ids_NA)), dim=1).indices
        scores_BC = log_likelihoods(model, fused, ids_NA[number_BC], mask_NA[number_BC])
        top = scores_BC.topk(min(count, scores_BC.shape[1]), dim=1)
        return self._best_of_list(self._answers, top.values.tolist(), number_BC.gather(1, top.indices).tolist())
