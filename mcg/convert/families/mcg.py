"""The release of MCG (OpenMICG/mcg): pre-training and QA checkpoints (docs/facts/mcg_alpro.md section 3 and 8.3).

Its encoder holds cross-attention that only a model with `fusion: cross_attention` can run; it was never trained. Word
embeddings have the rows of [DEC] and [ENC], and there are no token types, which ours has one of: a vector that is added
to every token, zeros here.
"""

from __future__ import annotations

from functools import partial

from mcg.convert.families.mcg_model import MCG_MODEL, derive
from mcg.convert.families.timesformer import visual_rules
from mcg.convert.rules import POSITION_IDS, Family, Fill, Rule

MCG_RELEASE = Family(
    name="mcg",
    title="MCG",
    signs=(r"visual_encoder\.model\..+", r"text_encoder\.encoder\.layer\.0\.crossattention\..+"),
    rules=(
        *visual_rules(r"visual_encoder\.model\."),
        Rule(r"(temp|(?:vision|text)_proj\.(?:weight|bias))", (r"\1",)),
        Rule(r"text_(?:en|de)coder\.(?:bert\.)?embeddings\.position_ids", reason=POSITION_IDS),
        Rule(r"text_decoder\.bert\.cls\..+", reason="a second output layer of the decoder, which is never run"),
        Rule(r"text_encoder\.((?:embeddings|encoder)\..+)", (r"text.bert.\1",)),
        Rule(r"text_encoder\.cls\.predictions\.(.+)", (r"text.predictions.\1",)),
        Rule(r"text_decoder\.bert\.((?:embeddings|encoder)\..+)", (r"decoder.bert.bert.\1",)),
        Rule(r"text_decoder\.cls\.predictions\.(.+)", (r"decoder.bert.cls.predictions.\1",)),
    ),
    target=MCG_MODEL,
    derive=partial(derive, token_head="untied"),
    needs=("vision.", "text.bert.", "text.predictions.", "vision_proj.", "text_proj.", "temp"),
    fills=(Fill(r".+\.token_type_embeddings\.weight", "zeros", "MCG has no token types"),),
)
