"""The work on a chunk: every scorer sees the frames of the loader's plan; failures carry their stage."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.dataset.members.plain_text import TextError
from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from shards.read.reader import Reader
from tests.tools.scores.graded import scoring, write_graded
from tools.scores.work import Chunk, Failure, chunks_of, open_scoring

SEEN: list[Any] = []


def see(frames: np.ndarray, records: list[dict[str, Any]], facts: Any) -> dict[str, Any]:
    SEEN.append((frames, records, facts))
    return {"kind": facts.kind, "words": len(records[0]["caption"].split())}


def odd(frames: np.ndarray, records: Any, facts: Any) -> float:
    if frames.mean() > 45:
        raise RuntimeError("too bright\nfor me")
    return float("nan") if frames.mean() > 25 else 1.0


def die(frames: np.ndarray, records: Any, facts: Any) -> float:
    if facts.kind == "video":
        os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graded(tmp_path_factory.mktemp("work") / "graded")


def test_a_scorer_sees_whole_frames_at_the_middles_of_equal_parts(graded: Path) -> None:
    SEEN.clear()
    work = scoring(graded, f"{__name__}:see", "brightness", num_frames=4, size=48)
    scored = work(Chunk(2, 0, 3))
    assert [key for key, _ in scored.rows] == ["p8", "clip", "bad"]
    (still, _, _), (frames, records, facts) = SEEN
    assert still.shape == (1, 48, 48, 3) and frames.shape == (4, 48, 64, 3)
    assert not frames.flags.writeable
    assert records == [{"caption": "a bar moves"}] and facts.num_frames == 12
    (fetched,) = Reader("", str(graded), "sample").fetch([2], [1])
    plan = ClipPlan((1, 4, 7, 10), (48, 64), (0, 0, 48, 64))
    np.testing.assert_array_equal(frames, decode(fetched.media, "video", plan))
    assert scored.rows[1][1].keys() == {"kind", "words", "brightness"} and scored.rows[1][1]["words"] == 3
    assert scored.rows[0][1]["brightness"] == pytest.approx(80 / 255, abs=1e-4)


def test_failures_are_told_by_stage_and_other_scorers_go_on(graded: Path) -> None:
    work = scoring(graded, f"{__name__}:odd", "brightness")
    scored = work(Chunk(0, 2, 4)), work(Chunk(1, 0, 2)), work(Chunk(2, 2, 3))
    found = [failure for one in scored for failure in one.failures]
    name = f"{__name__}:odd"
    assert [(failure.row, failure.stage) for failure in found] == [(3, name), (0, name), (1, name), (2, "decode")]
    assert found[0].reason.startswith("odd is nan") and found[2] == Failure(1, name, "RuntimeError: too bright\nfor me")
    assert scored[1].rows[1][1].keys() == {"brightness"} and scored[2].rows[0][1] == {}


def first_word(frames: np.ndarray, records: list[dict[str, Any]], facts: Any) -> str:
    return str(records[0]["caption"].split()[0])


def test_a_sample_whose_texts_cannot_be_read_has_the_values_that_need_none(
    graded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def texts(self: Reader, fetched: Any) -> Any:
        raise TextError("json cannot be read")

    monkeypatch.setattr(Reader, "texts", texts)
    scored = scoring(graded, "brightness", f"{__name__}:first_word")(Chunk(0, 1, 2))
    assert scored.rows[0][1] == {"brightness": pytest.approx(10 / 255, abs=1e-4)}
    assert scored.failures[0].reason == "IndexError: list index out of range (its texts: json cannot be read)"


def test_two_scorers_of_one_column_are_told(graded: Path) -> None:
    work = scoring(graded, "brightness", f"{__name__}:brightness")
    assert "also a column of another scorer" in work(Chunk(0, 0, 1)).failures[0].reason


def brightness(frames: np.ndarray, records: Any, facts: Any) -> float:
    return 0.0


def test_chunks_cover_every_sample_once(graded: Path) -> None:
    index = open_scoring(scoring(graded, "blur"))[0].index
    assert list(chunks_of(index)) == [Chunk(0, 0, 4), Chunk(1, 0, 4), Chunk(2, 0, 3)]
