"""BERT of Hugging Face, e.g. bert-base-uncased: text encoder, head for masked words, and the decoder's own layers.

The decoder's cross-attention stays as it is drawn, as BLIP's did when it began. BERT's head shares the word embeddings,
which its files hold once; a head of ours with weights of its own starts as their copy. Norms may bear their old names
(gamma, beta). Vocabulary and token types: see resize.py.
"""

from __future__ import annotations

from functools import partial

from mcg.convert.families.mcg_model import MCG_MODEL, derive
from mcg.convert.rules import POSITION_IDS, Family, Fill, Rule

BERT_SIGNS = (
    r"(?:bert\.)?embeddings\.word_embeddings\.weight",
    r"(?:bert\.)?encoder\.layer\.0\.attention\.self\.query\.weight",
)


def bert_rules(stacks: tuple[str, ...], heads: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules for BERT. stacks, heads: our names of its layers and of its head for masked words, as targets of a rule."""
    return (
        Rule(r"(?:bert\.)?embeddings\.(?:position_ids|token_type_ids)", reason=POSITION_IDS),
        Rule(r"(?:bert\.)?pooler\..+|cls\.seq_relationship\..+", reason="next-sentence prediction: not in our model"),
        *(
            rule
            for old, new in (("gamma", "weight"), ("beta", "bias"))
            for rule in (
                Rule(rf"(?:bert\.)?((?:embeddings|encoder)\..*LayerNorm)\.{old}", tuple(f"{t}.{new}" for t in stacks)),
                Rule(rf"cls\.predictions\.(.*LayerNorm)\.{old}", tuple(f"{t}.{new}" for t in heads)),
            )
        ),
        Rule(r"(?:bert\.)?(embeddings\.word_embeddings\.weight)", (*stacks, "text.predictions.decoder.weight")),
        Rule(r"(?:bert\.)?((?:embeddings|encoder)\..+)", stacks),
        Rule(r"cls\.predictions\.(.+)", heads),
    )


BERT = Family(
    name="bert",
    title="BERT of Hugging Face",
    signs=BERT_SIGNS,
    rules=bert_rules(
        (r"text.bert.\1", r"decoder.bert.bert.\1"), (r"text.predictions.\1", r"decoder.bert.cls.predictions.\1")
    ),
    target=MCG_MODEL,
    derive=partial(derive, token_head="tied", headless="none"),
    needs=("text.bert.",),
    fills=(
        Fill(r"decoder\..*\.crossattention\..+", "fresh", "BERT attends to nothing but its text"),
        Fill(r"text\..*\.crossattention\..+", "fresh", "BERT attends to nothing but its text"),
        Fill(r"(?:text|decoder\.bert\.cls)\.predictions\..+", "fresh", "this BERT was saved without its head"),
    ),
    known=(("bert-base-uncased", "google-bert/bert-base-uncased", "model.safetensors"),),
)
