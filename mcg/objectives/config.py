"""Configs of the objectives. A new objective is one file, its config here, and a field of `ObjectivesConfig`.

This file imports no torch, so that a config is checked before anything heavy is loaded: `builds` names the class that
a config is for, and `needs` the verbs and parts of the model that it uses (ModelConfig.provides). docs/adding.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcg.classes import ClassConfig
from mcg.compat import Compat
from mcg.model.config import ModelConfig

PROMPTER_FOLDER = "prompter"
"""Folder of a run that keeps the prompter."""


class ObjectiveConfig(ClassConfig):
    """The settings that every objective has."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Verbs and parts of the model that the objective uses (ModelConfig.provides). With "attention" among them, the
    passes over video and text give their attention too."""

    over_pairs: ClassVar[bool] = False
    """True of a loss over all pairs (PairObjective), of which engine.contrastive_batch says how many there are."""

    remedies: ClassVar[dict[str, str]] = {}
    """Field -> what to do where its file or folder is missing, if it is more than to name another place."""

    weight: float = Field(default=1.0, ge=0)
    """Factor of this loss in the sum."""

    def check_model(self, model: ModelConfig) -> None:
        """Raise ValueError, with both settings, where a size of the objective is not that of the model."""

    def files(self, run_dir: Path) -> dict[str, str]:
        """Field -> path of each file and folder that the objective itself reads, but for what the run keeps already."""
        return {}

    def build(self, compat: Compat = "corrected") -> Any:
        """The objective."""
        return self.load_class()(self, compat)


class ContrastiveConfig(ObjectiveConfig):
    """Video-text contrastive loss."""

    builds = "mcg.objectives.over_pairs.contrastive:Contrastive"
    needs = ("video_features", "text_features")
    over_pairs = True

    exchange: Literal["gather", "ring"] = "gather"
    """How the ranks see each other's features: all at once, or those of one rank after the other, which takes less
    memory and more messages."""


class SigmoidConfig(ObjectiveConfig):
    """Sigmoid loss over all pairs."""

    builds = "mcg.objectives.over_pairs.sigmoid:Sigmoid"
    needs = ("video_features", "text_features")
    over_pairs = True

    temperature: float = Field(default=0.1, gt=0)
    """Divisor of every similarity, as the run begins; it is learned."""
    bias: float = -10.0
    """Added to every logit, as the run begins; it is learned. Nearly all pairs do not fit, and -10 says so."""
    exchange: Literal["gather", "ring"] = "gather"
    """How the ranks see each other's texts: all at once, or those of one rank after the other, which takes less memory
    and more messages."""


class TokenContrastConfig(ObjectiveConfig):
    """Token-grained contrast."""

    builds = "mcg.objectives.token_contrast:TokenContrast"
    needs = ("attention", "word_features", "patch_features")

    temperature: float = Field(default=0.1, gt=0)
    """Divisor of every similarity."""
    padded_words: int | None = Field(default=None, gt=0)
    """Words that every text has in the softmax denominators of the word side, padding included, as released: one less
    than task.max_text_tokens, which is what `compat: released` sets. None: its own words only."""


class MaskedLMConfig(ObjectiveConfig):
    """Masked-language modelling."""

    builds = "mcg.objectives.masked_lm:MaskedLM"
    needs = ("fuse", "token_logits")

    causal: bool = False
    """Each word sees only the words before it, and the video none: so captions are learned."""

    def check_model(self, model: ModelConfig) -> None:
        if self.causal and (missing := model.missing("causal")) is not None:
            raise ValueError(f"objectives.masked_lm.causal: {missing}; leave it out")


class PrefixLMConfig(ObjectiveConfig):
    """Prefix language modelling."""

    builds = "mcg.objectives.prefix_lm:PrefixLM"
    needs = ("causal", "token_logits", "prefix_labels")


class TubeAlignmentConfig(ObjectiveConfig):
    """Alignment of tubes with words."""

    builds = "mcg.objectives.tube_alignment:TubeAlignment"
    needs = ("tubes",)


class MatchingConfig(ObjectiveConfig):
    """Video-text matching."""

    builds = "mcg.objectives.matching:Matching"
    needs = ("video_features", "text_features", "fuse", "match_logits")

    negatives: Literal["sampled", "hardest"] = "sampled"
    """Drawn with the probabilities that the contrastive logits give, as released, or the most probable one."""
    negatives_from: Literal["loader_batch", "contrastive_batch"] = "loader_batch"
    """Which batch the negatives are of, where engine.contrastive_batch joins loader batches: the loader batch, or the
    contrastive batch, as if it were one loader batch. The latter encodes a further video and text for every sample,
    with gradient: 1.3 to 1.5 times the time and memory of a step (docs/mcg.md)."""


class BatchMatchingConfig(ObjectiveConfig):
    """Matching of each video with texts of the batch."""

    builds = "mcg.objectives.batch_matching:BatchMatching"
    needs = ("fuse", "match_logits")

    texts_per_video: int | None = Field(default=4, ge=2)
    """Texts that each video is fused with, its own among them; of a smaller batch, or with None, all of it."""
    text: Literal["plain", "masked"] = "plain"
    """The texts themselves, or as they are masked for masked_lm (as LAVENDER released)."""
    loss: Literal["pair", "softmax"] = "pair"
    """Each pair is right or wrong by itself, or the texts of a video compete, of which its own is right: the
    soft-max of their scores, yes less no (LAVENDER's heads by task)."""
    temperature: float = Field(default=0.05, gt=0)
    """For `softmax`: divisor of the scores."""


class ChoiceMatchingConfig(ObjectiveConfig):
    """Matching of each video with the choices of its question."""

    builds = "mcg.objectives.choice_matching:ChoiceMatching"
    needs = ("fuse", "match_logits")

    loss: Literal["pair", "softmax"] = "pair"
    """Each choice is right or wrong by itself, or the choices compete: the soft-max of their scores, yes less no
    (LAVENDER's heads by task)."""


class EntityPromptingConfig(ObjectiveConfig):
    """Entity prompting."""

    builds = "mcg.objectives.entity_prompting:EntityPrompting"
    needs = ("fuse", "entity_logits")
    remedies: ClassVar[dict[str, str]] = {
        "prompter": "train it first (configs/alpro/pt_prompter.yaml), or convert a released one (python -m mcg.convert "
        "FILE OUT --kind alpro_prompter)",
        "entities": "make it (python -m tools entities), or name the place of it",
    }

    prompter: str
    """Run or checkpoint folder of the frozen prompter, trained on the contrast alone (configs/alpro/pt_prompter.yaml),
    or converted (python -m mcg.convert --kind alpro_prompter)."""
    entities: str
    """File with a noun at the beginning of each line, as ALPRO's unigrams.txt."""
    num_entities: int = Field(default=1000, ge=2)
    """The first so many of the file are told apart; model.num_entities is the same number."""
    min_confidence: float = Field(default=0.2, ge=0, lt=1)
    """A sample counts if the prompter gives its best entity at least this probability."""

    def check_model(self, model: ModelConfig) -> None:
        found = getattr(model, "num_entities", self.num_entities)
        if found != self.num_entities:
            raise ValueError(
                f"objectives.entity_prompting.num_entities is {self.num_entities}, and model.num_entities is {found}; "
                "set both to the same"
            )

    def files(self, run_dir: Path) -> dict[str, str]:
        prompter = {} if (run_dir / PROMPTER_FOLDER / "model").is_dir() else {"prompter": self.prompter}
        return {**prompter, "entities": self.entities}


class GenerationConfig(ObjectiveConfig):
    """Generation of answers."""

    builds = "mcg.objectives.generation:Generation"
    needs = ("fuse", "decode")

    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Share of the probability that is spread evenly over the vocabulary."""


class ClassificationConfig(ObjectiveConfig):
    """Classification of answers."""

    builds = "mcg.objectives.classification:Classification"
    needs = ("fuse", "classify")

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the probability that is spread evenly over the classes."""
    head: str = "answers"
    """Name of the classifier, that of `task.head`."""


class ObjectivesConfig(BaseModel):
    """The losses of a run; one that is absent is not computed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    contrastive: ContrastiveConfig | None = None
    """Video-text contrastive loss over the global batch."""
    sigmoid: SigmoidConfig | None = None
    """Whether video and text fit, asked of every pair of the global batch by itself."""
    token_contrast: TokenContrastConfig | None = None
    """Words against patches within a sample."""
    masked_lm: MaskedLMConfig | None = None
    """Masked-language modelling with the video in view."""
    prefix_lm: PrefixLMConfig | None = None
    """Continuing the text from a drawn place on, word by word."""
    tube_alignment: TubeAlignmentConfig | None = None
    """What the centres of tubes find in a video is what they find in its text."""
    matching: MatchingConfig | None = None
    """Telling fitting pairs of video and text from hard negatives."""
    batch_matching: BatchMatchingConfig | None = None
    """Telling the texts that fit a video from others of the batch."""
    choice_matching: ChoiceMatchingConfig | None = None
    """Telling the choice that fits the video from the others."""
    entity_prompting: EntityPromptingConfig | None = None
    """Telling the entities of a region, as a frozen prompter sees them."""
    generation: GenerationConfig | None = None
    """Generation of answers or captions."""
    classification: ClassificationConfig | None = None
    """The right one of a list of answers."""
    compat: Compat = "corrected"
    """Bugs of the release, corrected or as released; follows the run's `compat`."""

    def chosen(self) -> dict[str, ObjectiveConfig]:
        """The configs of the objectives that are present with a weight above 0, by name."""
        found = {name: value for name, value in self if isinstance(value, ObjectiveConfig)}
        return {name: config for name, config in found.items() if config.weight > 0}

    def build(self) -> dict[str, Any]:
        """The chosen objectives by name."""
        return {name: config.build(self.compat) for name, config in self.chosen().items()}
