"""Families of released weights: each is a file of rules (data, not code) and names the model that it becomes."""

from __future__ import annotations

from mcg.convert.families.alpro import ALPRO, LAVIS_ALPRO, PROMPTER
from mcg.convert.families.bert import BERT
from mcg.convert.families.blip import BLIP
from mcg.convert.families.clip import HUGGING_FACE_CLIP, OPEN_CLIP, OPENAI_CLIP
from mcg.convert.families.lavender import LAVENDER, LAVENDER_BERT, LAVENDER_TASK
from mcg.convert.families.lavender_model import LAVENDER_MODEL
from mcg.convert.families.mcg import MCG_RELEASE
from mcg.convert.families.mcg_model import MCG_MODEL
from mcg.convert.families.t2vlp import T2VLP
from mcg.convert.families.t2vlp_model import T2VLP_MODEL
from mcg.convert.families.timesformer import TIMESFORMER
from mcg.convert.families.video_swin import TIMM_SWIN, VIDEO_SWIN
from mcg.convert.families.vit import TIMM_VIT
from mcg.convert.rules import Family, Target

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        MCG_RELEASE,
        LAVIS_ALPRO,
        ALPRO,
        PROMPTER,
        BLIP,
        TIMESFORMER,
        TIMM_VIT,
        TIMM_SWIN,
        VIDEO_SWIN,
        BERT,
        LAVENDER,
        LAVENDER_TASK,
        LAVENDER_BERT,
        T2VLP,
        OPENAI_CLIP,
        OPEN_CLIP,
        HUGGING_FACE_CLIP,
    )
}
"""Families by name, in the order in which a checkpoint is compared with them."""

TARGETS: dict[str, Target] = {"mcg": MCG_MODEL, "lavender": LAVENDER_MODEL, "t2vlp": T2VLP_MODEL}
"""`model.name` -> the model as conversion sees it."""
