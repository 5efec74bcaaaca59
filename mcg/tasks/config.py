"""Configs of the tasks. A new task is one file, its config here, and an entry of the `TaskConfig` union.

This file imports no torch, so that a config is checked before anything heavy is loaded: `builds` names the class that
a config is for. docs/adding.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mcg.classes import ClassConfig
from mcg.compat import Compat
from mcg.scoring.submission import FormName
from shards.loader import LoaderConfig
from shards.media import ClipConfig


class ClipTaskConfig(ClassConfig):
    """The settings of every task on clips."""

    scored_by: ClassVar[tuple[str, ...]] = ()
    """Verbs of the model without which no split can be scored (ModelConfig.provides); `check_model` asks for those that
    depend on settings."""

    clip: ClipConfig
    """Frames of a clip in training."""
    evaluation_clip: ClipConfig | None = None
    """Frames in evaluation; None means those of training without chance (ClipConfig.for_evaluation)."""
    compat: Compat = "corrected"
    """Bugs of the release, corrected or as released; follows the run's `compat`."""

    def files(self) -> dict[str, str]:
        """Field -> path or address of each file and dataset that the task itself reads."""
        return {}

    def longest_texts(self) -> dict[str, int]:
        """The longest texts that a model reads: what they consist of, in words with the settings -> tokens."""
        return {}

    def unscored(self) -> Self:
        """The same task where nothing is scored, without the files that only scores need."""
        return self

    def check_data(self, split: str, data: LoaderConfig) -> None:
        """Raise ValueError where a split (train, val or test) is not read as the task needs it."""
        return

    def check_objectives(self, objectives: Mapping[str, Any]) -> None:
        """Raise ValueError where a loss, of these configs by name, does not learn what the task is scored by."""
        return

    def build(self, texts: Any) -> Any:
        """The task. texts: how the model writes (mcg.text.open_texts)."""
        return self.load_class()(self, texts)

    @model_validator(mode="before")
    @classmethod
    def _vocabulary_has_moved(cls, values: Any) -> Any:
        if isinstance(values, dict) and "vocabulary" in values:
            raise ValueError("vocabulary is a setting of the model; write model.vocabulary")
        return values


class PretrainConfig(ClipTaskConfig):
    """Pre-training on captions."""

    builds = "mcg.tasks.pretrain:Pretrain"
    scored_by = ("video_features", "text_features")

    name: Literal["pretrain"]
    """This task."""
    max_text_tokens: int = Field(default=30, ge=4)
    """Longest caption in tokens, [CLS] and [SEP] included; longer ones are cut."""
    masked_share: float = Field(default=0.15, gt=0, lt=1)
    """Share of word pieces that masked-language modelling predicts."""

    def longest_texts(self) -> dict[str, int]:
        return _words("max_text_tokens", self.max_text_tokens)

    def captioning(self) -> CaptioningConfig:
        """The captions that pre-training taught, of the same clips."""
        return CaptioningConfig(
            name="captioning",
            clip=self.clip,
            evaluation_clip=self.evaluation_clip,
            compat=self.compat,
            max_caption_tokens=self.max_text_tokens,
        )


class OpenQAConfig(ClipTaskConfig):
    """Open-ended question answering."""

    builds = "mcg.tasks.open_qa:OpenQA"

    name: Literal["open_qa"]
    """This task."""
    max_question_tokens: int = Field(default=40, ge=4)
    """Longest question in tokens, [ENC] and [SEP] included; longer ones are cut."""
    max_answer_tokens: int = Field(default=10, ge=3)
    """Longest answer in tokens, [DEC] and [SEP] included; a longer reference is refused in training."""
    num_beams: int = Field(default=3, ge=1)
    """Beams of the search."""
    answering: Literal["generation", "ranking", "classification", "masked_word", "answer_slot"] = "generation"
    """Way of answering (mcg/answering/). It does not choose the loss: objectives.generation trains the first two,
    objectives.classification the third, and objectives.masked_lm the others."""
    head: str = "answers"
    """For `classification`: name of the classifier, where a model may have several."""
    answer_list: str | None = None
    """Answers to rank or classify: a .json or .txt file, or a dataset of shards whose answers to take (of training)."""
    num_answers: int | None = Field(default=None, ge=1)
    """Only the first so many of the list; those of a dataset are sorted, commonest first."""
    num_candidates: int = Field(default=128, ge=1)
    """Candidates of ranking that are scored as a whole, after selection by their first word piece."""
    metric: Literal["accuracy", "wups"] = "accuracy"
    """Metric that selects the best checkpoint. "wups" needs WordNet; accuracy is reported beside it."""
    wordnet: str | None = None
    """Folder with WordNet's files, for wups; None finds an installed package's."""
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Name -> question types whose accuracy is reported together."""
    submission: FormName = "question_list"
    """Form of the submission file (mcg/scoring/submission.py)."""

    def longest_texts(self) -> dict[str, int]:
        found = _words("max_question_tokens", self.max_question_tokens)
        if self.answering != "answer_slot":
            return found
        slots = self.max_answer_tokens - 2
        return {f"{text} + {slots} slots (task.max_answer_tokens - 2)": n + slots for text, n in found.items()}

    def unscored(self) -> Self:
        return self.model_copy(update={"metric": "accuracy"})  # the other one needs WordNet

    @model_validator(mode="after")
    def _has_its_list(self) -> OpenQAConfig:
        if self.answering in ("ranking", "classification") and self.answer_list is None:
            raise ValueError(
                f"answering is {self.answering!r}, which needs answer_list: a .json or .txt file of answers, or a "
                "dataset of shards whose answers to take"
            )
        return self

    def files(self) -> dict[str, str]:
        found = super().files()
        if self.answering != "generation" and self.answer_list is not None:
            found["answer_list"] = self.answer_list
        if self.metric == "wups" and self.wordnet is not None:
            found["wordnet"] = self.wordnet
        return found


class MultipleChoiceConfig(ClipTaskConfig):
    """Multiple-choice question answering."""

    builds = "mcg.tasks.multiple_choice:MultipleChoice"

    name: Literal["multiple_choice"]
    """This task."""
    num_choices: int = Field(default=5, ge=2)
    """Choices of every question."""
    max_question_tokens: int = Field(default=40, ge=4)
    """Longest question in tokens, [ENC] and [SEP] included; longer ones are cut."""
    max_answer_tokens: int = Field(default=20, ge=3)
    """For `likelihood`: longest choice in tokens, [DEC] and [SEP] included; a longer one is refused in training and cut
    in evaluation."""
    choosing: Literal["likelihood", "matching", "numbered", "classification"] = "likelihood"
    """Way of choosing (mcg/answering/): the choice that a decoder finds likeliest, the one that matches the video best,
    the number at [MASK] behind all of them, or the class of a classifier that has read all of them. Trained by
    objectives.generation, choice_matching, masked_lm, and classification."""
    head: str = "answers"
    """For `classification`: name of the classifier, where a model may have several."""
    with_question: bool = True
    """For `matching`: the question stands before each choice; false where choices are captions."""
    likelihood: Literal["mean", "sum"] = "mean"
    """Log-likelihood by which choices are compared: per token, or of the whole, which favours short choices."""
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Name -> question types whose accuracy is reported together."""
    submission: FormName = "nextqa"
    """Form of the submission file (mcg/scoring/submission.py)."""

    def longest_texts(self) -> dict[str, int]:
        return _words("max_question_tokens", self.max_question_tokens)


class RetrievalConfig(ClipTaskConfig):
    """Text-video retrieval."""

    builds = "mcg.tasks.retrieval:Retrieval"

    name: Literal["retrieval"]
    """This task."""
    max_text_tokens: int = Field(default=40, ge=4)
    """Longest caption in tokens, [CLS] and [SEP] included; longer ones are cut."""
    paragraphs: Literal["whole", "sampled"] = "whole"
    """Text of a paragraph in training: the whole, or one to all of its `segments`, drawn anew and in random order."""
    ranking: Literal["contrast", "matching", "rerank"] = "contrast"
    """Order of the candidates in evaluation: similarity of features, the head for matching over all pairs, or over the
    best by similarity only."""
    rerank_depth: int = Field(default=128, ge=1)
    """Candidates of each query, in either direction, that `rerank` fuses."""
    rerank_by: Literal["matching", "product"] = "matching"
    """Order of these candidates: by the head for matching, or as T2VLP by the probability of a match times the soft-max
    of their similarities."""
    pairs_at_once: int = Field(default=64, ge=1)
    """Pairs, and texts, that pass the model together in evaluation."""

    def longest_texts(self) -> dict[str, int]:
        return _words("max_text_tokens", self.max_text_tokens)

    def check_data(self, split: str, data: LoaderConfig) -> None:
        _check_whole_samples(self.name, split, data)


class CaptioningConfig(ClipTaskConfig):
    """Captions of videos."""

    builds = "mcg.tasks.captioning:Captioning"
    scored_by = ("caption",)

    name: Literal["captioning"]
    """This task."""
    max_text_tokens: int = Field(default=50, ge=4)
    """Longest caption of training in tokens, [CLS] and [SEP] included; longer ones are cut."""
    masked_share: float = Field(default=0.15, gt=0, lt=1)
    """For objectives.masked_lm: share of a caption's tokens that is predicted at a time, [CLS] and [SEP] among them."""
    max_caption_tokens: int = Field(default=20, ge=3)
    """Longest caption that is written, in tokens, [CLS] and [SEP] included."""
    num_beams: int = Field(default=1, ge=1)
    """Beams of the search; 1 takes the likeliest word each time, as LAVENDER and T2VLP do."""
    meteor: bool = True
    """Score by METEOR, too, which takes 5 to 20 s to start; validation in training can do without."""
    training_captions: str | None = None
    """Captions of training, to count those that were copied: a dataset of shards, or a .json file in COCO's form."""

    def longest_texts(self) -> dict[str, int]:
        written = _words("max_caption_tokens - 1", self.max_caption_tokens - 1)
        return {**_words("max_text_tokens", self.max_text_tokens), **written}

    def unscored(self) -> Self:
        return self.model_copy(update={"training_captions": None})

    def files(self) -> dict[str, str]:
        found = super().files()
        return found if self.training_captions is None else {**found, "training_captions": self.training_captions}

    def check_data(self, split: str, data: LoaderConfig) -> None:
        _check_whole_samples(self.name, split, data)

    def check_objectives(self, objectives: Mapping[str, Any]) -> None:
        masked = objectives.get("masked_lm")
        if masked is not None and not masked.causal:
            raise ValueError(
                "objectives.masked_lm.causal is false, and captions are written from left to right; set it to true"
            )


def _words(setting: str, count: int) -> dict[str, int]:
    """A text that a setting cuts."""
    return {f"{count} words (task.{setting})": count}


def _check_whole_samples(task: str, split: str, data: LoaderConfig) -> None:
    for number, dataset in enumerate(data.blend):
        if split != "train" and dataset.elements != "sample":
            raise ValueError(
                f"data.{split}.blend[{number}].elements is {dataset.elements!r}; {task} looks at a video once with all "
                "its texts: set it to sample"
            )


TaskConfig = Annotated[
    PretrainConfig | OpenQAConfig | MultipleChoiceConfig | RetrievalConfig | CaptioningConfig,
    Field(discriminator="name"),
]
