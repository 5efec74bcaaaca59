"""The meaning of `compat: released` for MCG and ALPRO: the bugs of their releases that published numbers depend on.

docs/mcg.md has the table with reasons, docs/facts/mcg_alpro.md (sections 0, 4.2, 4.5 and 6) the findings. Those of MCG
alone begin with M, the others are ALPRO's too. "config": filled in here; "code": what has the key as its own `compat`
behaves so.

    A2   weight decay is configured but never reaches the optimiser              config: optim.weight_decay is 0
    A9   with activation checkpointing the attention and MLP matrices of all     code: the model
         visual blocks get no gradient
    M2   the texts of both contrasts are encoded with every token at place 0     code: the model, unless
                                                                                 num_fusion_layers splits the stack
    M3   patches are weighed by the attention of other frames and samples        code: objectives.token_contrast
    M4   words are weighed by the attention of the token after them,             code: objectives.token_contrast
         and padded words stand in the softmaxes of the word side                config: its padded_words
    M8   the decoder attends to the padding of questions                         code: the model
    0.8  evaluation samples frames at whole-number strides                       config: released_uniform in an
                                                                                 evaluation_clip; code: the task
    0.7  brightness, contrast and sharpness do nothing, shears never flip        config: randaugment.released
    M9   WUPS@0.9 has the threshold 9 where there are no further references      code: the task's metric
    M12  decoded answers keep the spaces of word pieces and are compared so      code: the task

Bugs that only a fixed environment has (fp16 optimiser files, equal seeds on all ranks, duplicates of the sampler, the
local rank as the place of a positive, silently replaced samples) are not brought back.
"""

from __future__ import annotations

from typing import Any, TypeGuard

_MAX_TEXT_TOKENS = 30
"""Default of the pre-training's max_text_tokens."""


def released(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree with the values that the releases have, wherever the user wrote none and the section is `released`."""
    tree = dict(tree)
    optim, objectives, task = tree.get("optim", {}), tree.get("objectives"), tree.get("task")
    if tree.get("compat") == "released" and isinstance(optim, dict):
        tree["optim"] = {"weight_decay": 0.0, **optim}
    if _is_released(objectives) and isinstance(task, dict):
        tree["objectives"] = _padded_words(objectives, task.get("max_text_tokens", _MAX_TEXT_TOKENS))
    if _is_released(task):
        tree["task"] = _augmentation(_sampling(task))
    return tree


def _is_released(section: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(section, dict) and section.get("compat") == "released"


def _padded_words(objectives: dict[str, Any], longest: Any) -> dict[str, Any]:
    """The same with as many padded words in token contrast as the longest text has words."""
    contrast = objectives.get("token_contrast")
    if not isinstance(contrast, dict) or not isinstance(longest, int):
        return objectives
    return {**objectives, "token_contrast": {"padded_words": longest - 1, **contrast}}


def _sampling(task: dict[str, Any]) -> dict[str, Any]:
    """The same with the released sampling in an evaluation clip that names none; one that is made from the training
    clip is the task's business."""
    clip = task.get("evaluation_clip")
    return {**task, "evaluation_clip": {"sampling": "released_uniform", **clip}} if isinstance(clip, dict) else task


def _augmentation(tree: dict[str, Any]) -> dict[str, Any]:
    """The same with `released: true` in every RandAugment that does not say."""
    made: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            value = {"released": True, **value} if name == "randaugment" else _augmentation(value)
        made[name] = value
    return made
