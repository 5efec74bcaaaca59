"""Weights of public releases, under our names: `python -m mcg.convert SRC DST`, and the `init:` section of a config.

Each family of checkpoints is a file of rules (data, not code); `convert.py` applies them and accounts for every key.
"""

from __future__ import annotations

from mcg.convert.alpro import ALPRO, LAVIS_ALPRO
from mcg.convert.bert import BERT
from mcg.convert.blip import BLIP
from mcg.convert.mcg import MCG_RELEASE
from mcg.convert.mcg_model import MCG_MODEL
from mcg.convert.rules import Family, Target
from mcg.convert.timesformer import TIMESFORMER
from mcg.convert.vit import TIMM_VIT

FAMILIES: dict[str, Family] = {
    family.name: family for family in (MCG_RELEASE, LAVIS_ALPRO, ALPRO, BLIP, TIMESFORMER, TIMM_VIT, BERT)
}
"""By name, in the order in which a checkpoint is compared with them."""

TARGETS: dict[str, Target] = {"mcg": MCG_MODEL}
"""How conversion sees each of our models, by `model.name`."""
