"""Caption metrics: the numbers of pycocoevalcap's own script, and what stands beside them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mcg.metrics import captions
from mcg.metrics.captioning.checks import CaptionError
from mcg.metrics.captioning.coco_files import read_references
from mcg.metrics.captioning.java import Java, JavaError
from mcg.metrics.captioning.meteor import meteor, score_of_counts
from mcg.metrics.captions import CaptionScores, caption_scores
from tests.mcg.metrics.stand_in_java import stand_in_java

NAMES = {f"BLEU-{order}": f"Bleu_{order}" for order in (1, 2, 3, 4)} | {"ROUGE-L": "ROUGE_L", "CIDEr": "CIDEr"}
REFERENCES = {
    "guitar": ["A man is playing a guitar.", "Someone plays the guitar on a stage!", "a man (old) plays"],
    "dog": ["A dog runs over the grass.", "the dog is running"],
    "cook": ["A woman is slicing an onion", "Somebody's cutting onions, quickly.", "a person cooks"],
    "cat": ["A cat sits on a piano & plays.", "中文 😀 cat", "the cat's playing the piano"],
}
PREDICTIONS = {
    "guitar": "a man is playing the guitar on a stage",
    "cat": "a cat is playing the piano",
    "dog": "A dog is running.",
    "cook": "a man is playing the guitar on a stage",
}


class _Absent:
    """In the place of SPICE, and of METEOR where it is not compared."""

    def compute_score(self, references: dict[str, Any], predictions: dict[str, Any]) -> tuple[float, list[float]]:
        return 0.0, [0.0] * len(references)

    def method(self) -> str:
        return "none"


@pytest.fixture
def script(java: Java, monkeypatch: pytest.MonkeyPatch) -> Any:
    """script(references, predictions, with_meteor): pycocoevalcap's evaluation."""
    import pycocoevalcap.eval

    monkeypatch.setenv("PATH", f"{Path(java.path).parent}:{os.environ['PATH']}")

    def run(references: dict[str, list[str]], predictions: dict[str, str], with_meteor: bool) -> Any:
        monkeypatch.setattr(pycocoevalcap.eval, "Spice", _Absent)
        if not with_meteor:
            monkeypatch.setattr(pycocoevalcap.eval, "Meteor", _Absent)
        known = {video: [{"caption": text} for text in texts] for video, texts in references.items()}
        given = {video: [{"caption": text}] for video, text in predictions.items()}
        coco = SimpleNamespace(imgToAnns=known, getImgIds=lambda: list(references))
        evaluation = pycocoevalcap.eval.COCOEvalCap(coco, SimpleNamespace(imgToAnns=given))
        evaluation.evaluate()
        return evaluation

    return run


def _assert_equal(found: CaptionScores, evaluation: Any, names: dict[str, str]) -> None:
    for name, theirs in names.items():
        assert found.metrics[name] == pytest.approx(evaluation.eval[theirs], abs=1e-9)
        for video, scores in evaluation.imgToEval.items():
            assert found.by_video[video][name] == pytest.approx(scores[theirs], abs=1e-9)


def test_numbers_are_those_of_pycocoevalcap(script: Any) -> None:
    found = caption_scores(REFERENCES, PREDICTIONS, with_meteor=False)
    _assert_equal(found, script(REFERENCES, PREDICTIONS, False), NAMES)
    assert set(found.absent) == {"METEOR", "SPICE"} and "SPICE" not in found.metrics


def _published(annotations: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Each video's first caption as the prediction, its others as references."""
    texts = read_references(annotations / "msvd_cap" / "malmm_coco_gt_cap_val.json").texts
    return {video: known[1:] for video, known in texts.items()}, {video: known[0] for video, known in texts.items()}


@pytest.mark.long
def test_published_captions_score_as_in_pycocoevalcap(script: Any, annotations: Path) -> None:
    references, predictions = _published(annotations)
    found = caption_scores(references, predictions, with_meteor=False)
    _assert_equal(found, script(references, predictions, False), NAMES)
    assert found.metrics["CIDEr"] == pytest.approx(1.1553807731319408, abs=1e-9)


@pytest.mark.long
def test_meteor_is_that_of_pycocoevalcap_and_its_formula_gives_its_numbers(
    script: Any, annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    monkeypatch.setattr(captions, "meteor", lambda *given: kept.append(meteor(*given)) or kept[0])
    references, predictions = _published(annotations)
    videos = list(references)
    # Some that fit less, one of no words, one that spells what METEOR's lines are made of.
    predictions |= {video: predictions[videos[number - 1]] for number, video in enumerate(videos[10:50], 10)}
    predictions |= {videos[0]: "...", videos[1]: "<a|||b> SCORE ||| x"}
    found = caption_scores(references, predictions, keep_empty=True)
    _assert_equal(found, script(references, predictions, True), NAMES | {"METEOR": "METEOR"})
    low, high = found.metrics["intervals"]["METEOR"]
    assert low < found.metrics["METEOR"] < high < low + 0.1

    np.testing.assert_allclose(score_of_counts(kept[0].counts_NC), kept[0].score_N, rtol=0, atol=1e-12)
    assert score_of_counts(kept[0].counts_NC.sum(0)) == pytest.approx(kept[0].score, abs=1e-12)
    assert found.by_video[videos[0]]["METEOR"] == 0


def test_a_sentence_against_itself_scores_one(java: Java) -> None:
    texts = {"a": ["a man is playing a guitar"], "b": ["the small dog runs over grass"]}
    found = caption_scores(texts, {video: known[0] for video, known in texts.items()}, with_meteor=False)
    ones = {name: found.metrics[name] for name in NAMES if name != "CIDEr"}
    assert ones == {name: pytest.approx(1, abs=1e-8) for name in ones}
    assert found.metrics["CIDEr"] == pytest.approx(10)
    assert found.metrics["intervals"]["BLEU-4"] == pytest.approx([1, 1])


def test_lengths_copies_and_repeats_are_counted_after_the_tokenizer(java: Java) -> None:
    training = ["A cat is playing; the piano!", "a dog", "..."]
    found = caption_scores(REFERENCES, PREDICTIONS, training, with_meteor=False)
    assert (found.metrics["distinct"], found.metrics["copied"]) == (0.75, 0.25)
    assert found.metrics["words"]["mean"] == (9 + 6 + 4 + 9) / 4
    assert (found.metrics["words"]["least"], found.metrics["words"]["most"]) == (4, 9)
    assert found.metrics["counts"] == {"videos": 4, "references": 11, "empty_references": 0, "empty_predictions": 0}
    assert list(found.by_video) == list(REFERENCES)
    assert "copied" not in caption_scores(REFERENCES, PREDICTIONS, with_meteor=False).metrics


def test_texts_of_no_words_are_refused_or_scored_as_the_script_does(script: Any) -> None:
    references = REFERENCES | {"none": ["...", "a thing"], "other": ["a thing or two"]}
    predictions = PREDICTIONS | {"none": "a thing", "other": "\n.\x00"}
    with pytest.raises(CaptionError, match="reference 1 of video 'none' has no word after the tokenizer"):
        caption_scores(references, predictions, with_meteor=False)
    found = caption_scores(references, predictions, with_meteor=False, keep_empty=True)
    assert found.metrics["counts"]["empty_references"] == found.metrics["counts"]["empty_predictions"] == 1
    _assert_equal(found, script(references, predictions, False), NAMES)
    assert found.by_video["other"] == pytest.approx(dict.fromkeys(NAMES, 0.0), abs=1e-6)


def test_hostile_captions_leave_the_others_as_they_are(java: Java) -> None:
    """A line break would put every later caption under the wrong video."""
    hostile = {"v": ["a\rb\u2028c\n", "|||", "x ||| y", "word " * 1500], "w": ["z" * 100_000]}
    found = caption_scores(
        hostile | REFERENCES,
        PREDICTIONS | {"v": "\ud800 a\n\x1b[31m", "w": "😀" * 500},
        with_meteor=False,
        keep_empty=True,
    )
    alone = caption_scores(REFERENCES, PREDICTIONS, with_meteor=False)
    for video in REFERENCES:
        for name in ("BLEU-1", "BLEU-4", "ROUGE-L"):
            assert found.by_video[video][name] == alone.by_video[video][name]


def test_without_java_nothing_is_scored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(JavaError, match="the Java of JAVA_HOME does not exist"):
        caption_scores(REFERENCES, PREDICTIONS, with_meteor=False)


def test_spice_is_run_where_it_can_be(tmp_path: Path, java: Java) -> None:
    """An incomplete folder is reported beside the scores."""
    (tmp_path / "stanford-corenlp-3.6.0.jar").write_bytes(b"PK")
    found = caption_scores(REFERENCES, PREDICTIONS, with_meteor=False, spice_in=tmp_path)
    assert "stanford-corenlp-3.6.0-models.jar is not there" in found.absent["SPICE"]
    assert str(tmp_path) in found.absent["SPICE"] and found.metrics["CIDEr"] > 0


def test_a_java_that_is_killed_is_told(tmp_path: Path, java: Java) -> None:
    killed = stand_in_java(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(JavaError, match=r"the tokenizer was killed \(SIGKILL\)"):
        caption_scores(REFERENCES, PREDICTIONS, java=killed)
