"""T2VLP (Unified-Robots/T2VLP, `pytorch_model.bin.*`): the names of its towers and tubes (docs/facts/t2vlp.md 1).

Its tubes have a copy of the whole visual tower of CLIP, of which only blocks, last norm and projection run.
"""

from __future__ import annotations

from mcg.convert.families.clip import openai_blocks, openai_head, openai_rules
from mcg.convert.families.t2vlp_model import T2VLP_MODEL, derive
from mcg.convert.rules import Family, Rule

_LOCAL = r"clip\.local_visual\."
_NEVER_RUN = "made with the release's model, and never run"

TOWER_RULES = (
    *openai_blocks(_LOCAL, "tubes.blocks"),
    *openai_head(_LOCAL, "ln_post", "proj", "tubes.head"),
    Rule(rf"{_LOCAL}(?:conv1\.weight|(?:class|positional)_embedding|ln_pre\..+)", reason=_NEVER_RUN),
    Rule(r"clip\.fusion_center", ("tubes.centres",)),
    Rule(r"clip\.fusion_proj_center\.(.+)", (r"tubes.text_proj.\1",)),
    Rule(r"clip\.lm_head\..+|visual_linear\..+", reason=_NEVER_RUN),
    *openai_rules(r"clip\."),
)
"""All but those of fusion and its heads."""

_FUSION_RULES = (
    *openai_blocks(r"clip\.fusion_", "fusion.blocks"),
    Rule(r"clip\.fusion_positional_embedding", ("fusion.positions",)),
    Rule(r"clip\.fusion_proj_embedding", ("words.proj.weight",), form="transposed"),
    Rule(r"clip\.fusion_logit_bias", ("words.decoder.bias",)),
    Rule(r"clip\.fusion_(un)?match_matrix", (r"match.\1match.weight",), form="transposed"),
)

T2VLP = Family(
    name="t2vlp",
    title="T2VLP",
    signs=(r"clip\.visual\.conv1\.weight", r"clip\.token_embedding\.weight"),
    rules=(*_FUSION_RULES, *TOWER_RULES),
    target=T2VLP_MODEL,
    derive=derive,
    needs=("vision.", "text.", "tubes."),
)
