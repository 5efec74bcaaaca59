"""Config of LAVENDER."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from mcg.engine.config import OptimConfig
from mcg.model.config import ModelConfig, Provision, check_num_frames
from mcg.model.parts.configs import JointEncoderConfig, VideoSwinConfig
from shards.media import ClipConfig

_ALWAYS = ("encode_video", "encode_text", "fuse", "token_logits", "match_logits", "causal", "caption")

_DECAYED = (
    r"(.+\.)?norm\d?\.weight|frames\.(cls_token|(patch|frame)_embed)|"
    r"text\.bert\.embeddings\.(position|token_type)_embeddings\.weight"
)
"""What the release decays besides matrices: all whose names have neither `bias` nor `LayerNorm.` in them (facts 3)."""
_MOST_CLASSES = 1_000_000
"""Of a classifier in a checkpoint's config."""


class LavenderConfig(ModelConfig):
    """Sizes of a LAVENDER model; the defaults are the released ones."""

    builds = "mcg.model.lavender:Lavender"

    name: Literal["lavender"]
    """Name of the model."""
    vision: VideoSwinConfig = VideoSwinConfig()
    """The visual encoder."""
    text: JointEncoderConfig = JointEncoderConfig()
    """The encoder of video and text."""
    max_frames: int = Field(default=6, gt=0)
    """Frames of the longest clip."""
    max_patches: int = Field(default=196, gt=0)
    """Patches of the largest frame; one of 224 x 224 pixels has 49."""
    position_std: float | None = Field(default=None, gt=0)
    """Standard deviation of the first embeddings of frames and of places in them; None: text.init_std, as released. A
    model from scratch wants about 1: with less it takes long to see where things are, and when."""
    mask_at: Literal["end", "start", "tenth", "first"] = "end"
    """Place of the [MASK] that says whether video and text match: behind the padded text, before [CLS], the tenth
    place after it, or in its stead (the release's ablation)."""
    prefix: Literal["none", "instruction", "task_token"] = "none"
    """What stands between video and text and names the task: nothing as released, a sentence, or a learned token."""
    heads: Literal["words", "task"] = "words"
    """What answers: the word at [MASK] for everything, or a head for each task, the release's baseline: a classifier of
    answers or numbered choices, and a score of matching. Ways of answering and objectives follow (docs/lavender.md)."""
    num_classes: dict[str, int] = Field(default_factory=dict)
    """For heads by task: classifier -> its classes. Left out, they are counted by the task: the answers of its list, or
    its choices."""

    def build(self, texts: Any) -> Any:
        return self.load_class()(self, texts)

    def provides(self) -> dict[str, Provision]:
        by_task = self.heads == "task"
        return {
            **dict.fromkeys(_ALWAYS, Provision(True, "", "")),
            "slot": Provision(not by_task, "[MASK] at which it answers", "model.heads to words"),
            "classify": Provision(by_task, "classifier", "model.heads to task"),
        }

    def with_classes(self, head: str, count: int, place: str) -> LavenderConfig:
        if (missing := self.missing("classify")) is not None:
            raise ValueError(f"{place} has {count} answers to classify: {missing}")
        if (found := self.num_classes.get(head, count)) != count:
            raise ValueError(
                f"model.num_classes.{head} is {found}, and {place} has {count} answers; leave it out, or name the list "
                "that the classifier is for"
            )
        return self.model_copy(update={"num_classes": {head: count, **self.num_classes}})

    def with_heads_of(self, stored: Mapping[str, Any]) -> LavenderConfig:
        there = stored.get("num_classes")
        if self.heads != "task" or stored.get("heads") != "task" or not isinstance(there, dict):
            return self
        known = {name: count for name, count in there.items() if isinstance(count, int) and 0 < count < _MOST_CLASSES}
        return self.model_copy(update={"num_classes": {**known, **self.num_classes}})

    @classmethod
    def adapted(cls, model: dict[str, Any], use: dict[str, Any], head: str | None = None) -> dict[str, Any]:
        """With heads by task: what words at [MASK] answer is classified, of the answers of the training set where no
        list is named, and the texts or choices of a video compete (docs/lavender.md)."""
        task, objectives = use.get("task"), use.get("objectives")
        if model.get("heads") != "task" or not isinstance(task, dict) or not isinstance(objectives, dict):
            return use
        task, objectives = dict(task), dict(objectives)
        for name in ("batch_matching", "choice_matching"):
            if isinstance(objectives.get(name), dict):
                objectives[name] = {"loss": "softmax", **objectives[name]}
        for field, by_words in (("answering", "masked_word"), ("choosing", "numbered")):
            if task.get(field) == by_words:
                task[field] = "classification"
                if isinstance(trained := objectives.pop("masked_lm", None), dict):
                    objectives["classification"] = {**trained, **(objectives.get("classification") or {})}
        if "classification" in (task.get("answering"), task.get("choosing")):
            if head is not None:
                task = {"head": head, **task}
                if isinstance(objectives.get("classification"), dict):
                    objectives["classification"] = {"head": head, **objectives["classification"]}
            if task.get("answering") and task.get("answer_list") is None:
                task["answer_list"] = _only_training_set(use)
        return {**use, "task": task, "objectives": objectives}

    @classmethod
    def released(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """With the masked texts in the matching of pre-training, a random crop of each frame by itself, and norms of
        Swin and embeddings of places that are decayed, unless the user chose."""
        optim, objectives, task = tree.get("optim", {}), tree.get("objectives"), tree.get("task")
        if isinstance(task, dict) and task.get("compat") == "released":
            clip = task.get("clip")
            if isinstance(clip, dict) and clip.get("fit") == "random_crop":
                tree = {**tree, "task": {**task, "clip": {"crop_each": True, **clip}}}
        if tree.get("compat") == "released" and isinstance(optim, dict):
            decayed = {"weight_decay": optim.get("weight_decay", OptimConfig().weight_decay)}
            tree = {**tree, "optim": {"groups": {_DECAYED: decayed}, **optim}}
        if not isinstance(objectives, dict) or objectives.get("compat") != "released":
            return tree
        matching = objectives.get("batch_matching")
        if isinstance(matching, dict) and "masked_lm" in objectives:
            return {**tree, "objectives": {**objectives, "batch_matching": {"text": "masked", **matching}}}
        return tree

    def check_clip(self, clip: ClipConfig, name: str = "task.clip") -> None:
        check_num_frames(clip, self.max_frames, name)
        if (patches := self.vision.patches(clip.size)) > self.max_patches:
            raise ValueError(
                f"{name}.size {clip.size} gives {patches} patches, but model.max_patches is {self.max_patches}; set "
                "the latter to that number"
            )


def _only_training_set(use: dict[str, Any]) -> str | None:
    """Address of the dataset that a tree trains on; None where there are several, or it is not told."""
    try:
        (dataset,) = use["data"]["train"]["blend"]
        return str(dataset["path"])
    except (KeyError, TypeError, ValueError):
        return None
