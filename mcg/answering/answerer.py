"""A trained model that answers questions about video files, for programs and for `python -m mcg.answer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mcg.answering.asked import Asked
from mcg.answering.likelihood import log_likelihoods
from mcg.engine.checkpoint import Selection
from mcg.model.model import Model
from mcg.model.states import VideoStates
from mcg.searching.clips import read_clip
from mcg.tasks.multiple_choice import MultipleChoice
from mcg.tasks.open_qa import OpenQA
from mcg.text.texts import Arrays
from mcg.trained import ready
from shards.decode import Frames, open_decoder


@dataclass(frozen=True)
class Candidate:
    """An answer and its score, more being better. Generated: mean log-probability of a word piece. Of a list: the
    log-likelihood, or the probability of the class. Of choices: the log-likelihood, which the task multiple_choice
    divides by the number of word pieces unless its `likelihood` is sum (mcg/tasks/)."""

    answer: str
    score: float


class Answerer:
    """A model that answers questions about videos. Not to be shared between threads."""

    def __init__(self, task: OpenQA | MultipleChoice, model: Model, device: torch.device) -> None:
        self.task, self.model, self.device = task, model.eval().to(device), device
        self._decode = open_decoder("cpu")  # one clip at a time: a GPU would wait for its decoder to start

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        config: str | Path | None = None,
        select: Selection = "latest",
        overrides: Sequence[str] = (),
        device: str | torch.device | None = None,
        use: str | None = None,
    ) -> Answerer:
        """The model of a checkpoint or run folder, by its own config unless another is given; on the GPU where there is
        one. use: which one, of a run of several. Raises CheckpointError, ConfigError, ValueError for a task that
        answers no questions."""
        found = ready(
            checkpoint,
            ("open_qa", "multiple_choice"),
            "answers no questions",
            config=config,
            select=select,
            overrides=overrides,
            device=device,
            use=use,
        )
        return cls(found.task, found.model, found.device)

    def ask(
        self, video: str | Path, question: str, *, choices: Sequence[str] = (), num_candidates: int = 5
    ) -> list[Candidate]:
        """Up to num_candidates answers to a question, best first; of `choices`, where some are given, all of them.

        Raises ValueError, MediaError.
        """
        return self.ask_all(video, [question], choices=choices, num_candidates=num_candidates)[0]

    def ask_all(
        self, video: str | Path, questions: Sequence[str], *, choices: Sequence[str] = (), num_candidates: int = 5
    ) -> list[list[Candidate]]:
        """The same for several questions about one video, which is encoded once."""
        self._check(questions, choices, num_candidates)
        frames = torch.as_tensor(self.clip(video)).to(self.device)
        with torch.inference_mode():
            states = self.model.encode_video(frames[None])
            states = states.rows(torch.zeros(len(questions), dtype=torch.int64, device=self.device))
            if isinstance(self.task, MultipleChoice) or (choices and self.task.answering.writes):
                return self._choose(states, questions, choices)
            answering = self.task.answering.among(choices) if choices else self.task.answering
            asked = Asked(self.model, states, self._padded([answering.question(text, None) for text in questions]))
            best = answering.answers(asked, len(choices) or num_candidates)
        return [[Candidate(answer, score) for answer, score in answers] for answers in best]

    def clip(self, video: str | Path) -> Frames:
        """The frames that the model sees of a file, uint8 (T, H, W, 3). Raises MediaError that names the file."""
        return read_clip(Path(video), str(video)).frames(self.task.evaluation_clip, self._decode)

    def _check(self, questions: Sequence[str], choices: Sequence[str], num_candidates: int) -> None:
        empty = [number for number, question in enumerate(questions) if not question.strip()]
        if not questions or empty:
            raise ValueError(f"question number {empty[0]} is empty" if empty else "no question was asked")
        if num_candidates < 1:
            raise ValueError(f"num_candidates must be 1 or more, found {num_candidates}")
        if isinstance(self.task, MultipleChoice) and not choices:
            raise ValueError("this model chooses among answers: give it choices (--choice, once for each)")
        if isinstance(self.task, MultipleChoice):
            self.task.choosing.check_choices(choices)
        else:
            self.task.texts.check_choices(choices, self.task.config.max_answer_tokens)

    def _choose(self, states: VideoStates, questions: Sequence[str], choices: Sequence[str]) -> list[list[Candidate]]:
        if isinstance(self.task, MultipleChoice):
            rows = [self.task.choosing.question(text, choices, 0, False) for text in questions]
            scores_BN = self.task.choosing.scores(Asked(self.model, states, self._padded(rows)))[:, : len(choices)]
        else:
            coded = self.task.texts.choices(choices, self.task.config.max_answer_tokens)
            longest = self.task.config.max_question_tokens
            rows = [self.task.texts.question(text, longest) | coded for text in questions]
            inputs = self._padded(rows)
            fused = Asked(self.model, states, inputs).fused
            scores_BN = log_likelihoods(self.model, fused, inputs["choice_ids"], inputs["choice_mask"])
        return [
            sorted(map(Candidate, choices, scores), key=lambda candidate: -candidate.score)
            for scores in scores_BN.tolist()
        ]

    def _padded(self, questions: Sequence[Arrays]) -> dict[str, Tensor]:
        """Arrays (B, ...) of questions, whose last axis may be of several lengths."""
        return {
            name: nn.utils.rnn.pad_sequence(
                [torch.from_numpy(question[name]).movedim(-1, 0) for question in questions], batch_first=True
            )
            .movedim(1, -1)
            .to(self.device)
            for name in questions[0]
        }
