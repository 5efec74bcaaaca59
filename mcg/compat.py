"""Slips of the releases: corrected by default, and brought back together by one key, `compat: released`.

The key stands at the top of a config and reaches the model, the objectives, the task and the optimiser as the seed
reaches the loaders: it fills in what the config does not say, and what is written there stands. It is for reproducing
published numbers and for continuing runs of the released code. What it changes (docs/facts/mcg_alpro.md 0, 4.2, 4.5 and
6; docs/mcg.md has the table with reasons); those of MCG alone begin with M, the others are ALPRO's too:

    A2   weight decay is configured but never reaches the optimiser               optim.weight_decay is 0
    A9   with activation checkpointing the attention and MLP matrices of all      their gradients are off
         visual blocks get no gradient
    M2   the texts of both contrasts are encoded with every token at place 0      MCG.encode_text(contrastive=True),
                                                                                  not where num_fusion_layers splits
    M3   patches are weighed by the attention of other frames and samples         objectives.token_contrast
    M4   words are weighed by the attention of the token after them,              objectives.token_contrast
         and padded words stand in the softmaxes of the word side                 and its padded_words
    M8   the decoder attends to the padding of questions                          MCG.decode, generate
    0.8  evaluation samples frames at whole-number strides                        tasks: uniform is released_uniform
    0.7  brightness, contrast and sharpness do nothing, shears never flip         randaugment.released is true
    M9   WUPS@0.9 has the threshold 9 where there are no further references       the task's metric
    M12  decoded answers keep the spaces of word pieces and are compared as text  the task's spelling

Slips that only a fixed environment has (fp16 optimiser files, equal seeds on all ranks, duplicates of the sampler, the
local rank as the place of a positive, silently replaced samples) are not brought back.
"""

from __future__ import annotations

from typing import Any, Literal

Compat = Literal["corrected", "released"]
_MAX_TEXT_TOKENS = 30
"""Default of the pre-training's max_text_tokens."""


def spread_compat(values: dict[str, Any]) -> dict[str, Any]:
    """A config tree in which `compat` has reached the sections that it changes: it fills in what the user did not
    write, and what is written stands. Sections that are not mappings are left for the validator to refuse."""
    values = dict(values)
    compat = {"compat": values["compat"]} if "compat" in values else {}
    for name in ("model", "objectives", "task"):
        section = values.get(name, {})
        if compat and isinstance(section, dict):
            values[name] = {**compat, **section}
    optim, task = values.get("optim", {}), values.get("task")
    if values.get("compat") == "released" and isinstance(optim, dict):
        values["optim"] = {"weight_decay": 0.0, **optim}
    if _is_released(values.get("objectives")):
        values["objectives"] = _released_words(values["objectives"], task)
    if _is_released(task):
        values["task"] = _released_augmentation(_released_sampling(values["task"]))
    return values


def _is_released(section: Any) -> bool:
    return isinstance(section, dict) and section.get("compat") == "released"


def _released_words(objectives: dict[str, Any], task: Any) -> dict[str, Any]:
    """The same with padded words in token contrast: as many as the longest text has, unless a number is set."""
    if not isinstance(task, dict):
        return objectives
    contrast, longest = objectives.get("token_contrast"), task.get("max_text_tokens", _MAX_TEXT_TOKENS)
    if not isinstance(contrast, dict) or not isinstance(longest, int):
        return objectives
    return {**objectives, "token_contrast": {"padded_words": longest - 1, **contrast}}


def _released_sampling(task: dict[str, Any]) -> dict[str, Any]:
    """The same with the released sampling in an evaluation clip that names none; one that is made from the training
    clip is the task's business."""
    clip = task.get("evaluation_clip")
    return {**task, "evaluation_clip": {"sampling": "released_uniform", **clip}} if isinstance(clip, dict) else task


def _released_augmentation(tree: dict[str, Any]) -> dict[str, Any]:
    """The same with `released: true` in every RandAugment that does not say."""
    made: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            value = {"released": True, **value} if name == "randaugment" else _released_augmentation(value)
        made[name] = value
    return made
