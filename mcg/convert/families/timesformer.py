"""TimeSformer of Kinetics-400 or -600 (facebookresearch/TimeSformer): the visual encoder.

Files `*.pyth` with the weights under `model_state`, 8 to 96 frames (docs/facts/mcg_alpro.md 8.3). Our names are theirs.
"""

from __future__ import annotations

from mcg.convert.families.mcg_model import MCG_MODEL, derive
from mcg.convert.rules import Family, Rule

HEAD = "the classifier of the visual encoder's own data set, which no system here uses"


def visual_rules(prefix: str) -> tuple[Rule, ...]:
    """Rules for a TimeSformer whose keys begin with a regular expression."""
    return (Rule(rf"{prefix}head\.(?:weight|bias)", reason=HEAD), Rule(rf"{prefix}(.+)", (r"vision.\1",)))


TIMESFORMER = Family(
    name="timesformer",
    title="TimeSformer (Kinetics)",
    signs=(r"(?:model\.)?blocks\.0\.temporal_attn\.qkv\.weight",),
    rules=visual_rules(r"(?:model\.)?"),
    target=MCG_MODEL,
    derive=derive,
    needs=("vision.",),
)
