"""Texts are opened by the name of the model, with its vocabulary, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcg.convert.families import TARGETS
from mcg.model import MODELS
from mcg.text import LAYOUTS, open_texts
from tests.mcg.small_model import TEXTS, model_config


def test_every_model_has_a_layout() -> None:
    assert set(LAYOUTS) == set(MODELS) == set(TARGETS)


def test_the_vocabulary_is_that_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog"]))
    texts = open_texts(model_config(vocabulary=str(tmp_path)))
    assert texts.size == 8 and texts.file == tmp_path / "vocab.txt" and texts.fingerprint != TEXTS.fingerprint
    with pytest.raises(FileNotFoundError, match=r"nowhere: no vocabulary there; model\.vocabulary must name"):
        open_texts(model_config(vocabulary="nowhere"))


def test_a_text_is_plain_as_it_is_decoded() -> None:
    assert TEXTS.plain(" The  CAFÉ ") == "the cafe"


def test_an_answer_is_told_from_a_text_that_is_none() -> None:
    assert TEXTS.misfit("a dog", 4) == ""
    assert TEXTS.misfit("a big dog", 4) == "has 3 word pieces, 1 to 2 fit task.max_answer_tokens"
    assert TEXTS.misfit("\u200b", 4) == "has 0 word pieces, 1 to 2 fit task.max_answer_tokens"


def test_texts_need_no_torch() -> None:
    script = "import sys, mcg.text; from mcg.model import MODELS; mcg.text.open_texts(MODELS['mcg']())\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "print('torch' in sys.modules)"], capture_output=True, text=True, timeout=250
    )
    assert (done.stdout.strip(), done.stderr) == ("False", "")
