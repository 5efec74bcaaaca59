"""ALPRO (salesforce/ALPRO) and LAVIS's port: pre-training, prompter, retrieval, QA (docs/facts/mcg_alpro.md 2, 8.3).

The model that is made for it has 6 layers of text and 6 of fusion, and no decoder. LAVIS strips `bert.` from the names
of the text encoder, as ALPRO's QA does, and keeps the weights under `model`.
"""

from __future__ import annotations

import dataclasses
from functools import partial

from mcg.convert.families.mcg_model import MCG_MODEL, derive
from mcg.convert.families.timesformer import visual_rules
from mcg.convert.rules import POSITION_IDS, Family, Fill, Rule

_PROMPTS = "features of the prompts: made from the list of entities"

ALPRO = Family(
    name="alpro",
    title="ALPRO",
    signs=(r"visual_encoder\.model\..+", r"text_encoder\.(?:bert\.)?embeddings\.token_type_embeddings\.weight"),
    rules=(
        Rule(r"prompter\..+", reason="the prompter, a model by itself: convert it with --kind alpro_prompter"),
        Rule(r"(?:video|image)_prompt_feat", reason=_PROMPTS),
        Rule(r"mpm_head\.([02])\.(weight|bias)", (r"entity_head.\1.\2",)),
        *visual_rules(r"visual_encoder\.model\."),
        Rule(r"(temp|(?:vision_proj|text_proj|itm_head)\.(?:weight|bias)|classifier\.[02]\.(?:weight|bias))", (r"\1",)),
        Rule(r"text_encoder\.(?:bert\.)?embeddings\.position_ids", reason=POSITION_IDS),
        Rule(r"text_encoder\.(?:bert\.)?pooler\..+", reason="never used: [CLS] is read as it is"),
        Rule(r"text_encoder\.(?:bert\.)?((?:embeddings|encoder)\..+)", (r"text.bert.\1",)),
        Rule(r"text_encoder\.cls\.predictions\.(.+)", (r"text.predictions.\1",)),
    ),
    target=MCG_MODEL,
    derive=partial(derive, token_head="tied", headless="none", split_layers=True),
    needs=("vision.", "text.bert.", "vision_proj.", "text_proj.", "temp"),
    fills=(Fill(r"text\..*\.crossattention\..+", "fresh", "ALPRO fuses by concatenation"),),
)

PROMPTER = dataclasses.replace(
    ALPRO,
    name="alpro_prompter",
    title="the prompter of ALPRO",
    signs=(r"prompter\.visual_encoder\.model\..+",),
    rules=(
        Rule(r"prompter\.(?:video|image)_prompt_feat", reason=_PROMPTS),
        Rule(r"prompter\.itm_head\..+", reason="never trained: a prompter learns by the contrast alone"),
        *(dataclasses.replace(rule, source=rf"prompter\.(?:{rule.source})") for rule in ALPRO.rules[2:]),
        Rule(r"(?!prompter\.).+", reason="the model that the prompter taught: convert it with --kind alpro"),
    ),
)
"""Out of a pre-training checkpoint, which holds it beside the model; a prompter's own file is one of ALPRO."""

LAVIS_ALPRO = dataclasses.replace(ALPRO, name="lavis_alpro", title="ALPRO of LAVIS", wrapper="model")
